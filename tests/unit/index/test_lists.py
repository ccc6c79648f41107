"""Inverted lists of each kind: trained, filled, written, opened mapped, emptied for more."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from pairmill.errors import CorruptObjectError
from pairmill_index.faiss_adapter import Bitmap, ExactScan, Lists, faiss
from pairmill_index.manifest import Modality, VectorIndex
from pairmill_index.vector_search import Admitted, VectorSearch
from tests.fakes.vector_dataset import clustered

ROWS, DIMENSIONS = 6000, 32


@pytest.mark.parametrize("kind", ["IVF32,SQ8", "IVF32,SQ4", "IVF32,RaBitQ", "IVF32_HNSW32,SQ8"])
def test_lists_of_each_kind_are_read_as_they_were_written(kind: str, tmp_path: Path) -> None:
    vectors = clustered(ROWS, DIMENSIONS, clusters=100).astype(np.float16)
    floats = vectors.astype(np.float32)
    lists = Lists.trained(floats[:2000], kind)
    list_of_row = lists.fill([floats[:4000], floats[4000:]])
    lists.write(tmp_path / "image.faiss")
    opened = Lists.opened(tmp_path / "image.faiss")
    assert (opened.rows, opened.dimensions, opened.count) == (ROWS, DIMENSIONS, 32)
    index = VectorIndex(modality=Modality.IMAGE, kind=kind, lists=32, probes=16, candidates=400)
    search = VectorSearch(vectors, index, opened, list_of_row, exact_ns=0)
    queries, mask = clustered(20, DIMENSIONS, seed=4, clusters=100), np.arange(ROWS) % 3 == 0
    for admitted in (Admitted(None, ROWS), Admitted(mask, ROWS)):
        _, rows = search.search(queries, 10, admitted)
        scores = queries @ floats.T
        scores[:, ~(mask if admitted.mask is not None else mask | True)] = -np.inf
        wanted = np.argsort(-scores, axis=1)[:, :10]
        hits = [len(set(one) & set(other)) for one, other in zip(rows, wanted, strict=True)]
        assert np.mean(hits) >= 9.5


def test_the_list_of_a_row_is_the_one_that_holds_it(tmp_path: Path) -> None:
    floats = clustered(ROWS, DIMENSIONS)
    lists = Lists.trained(floats[:2000], "IVF16,SQ8")
    list_of_row = lists.fill([floats])
    for number in range(16):
        scores, chosen = np.zeros((1, 1), np.float32), np.array([[number]])
        found = lists.search_in(floats[:1], ROWS, scores, chosen)[0]
        assert sorted(found[found >= 0].tolist()) == np.flatnonzero(list_of_row == number).tolist()


def test_emptied_lists_share_the_training(tmp_path: Path) -> None:
    floats = clustered(ROWS, DIMENSIONS)
    first = Lists.trained(floats[:2000], "IVF16,SQ8")
    first.fill([floats])
    first.write(tmp_path / "first.faiss")
    second = Lists.emptied(tmp_path / "first.faiss")
    assert second.rows == 0
    assert np.array_equal(second.fill([floats[:500]]), first.nearest_lists(floats[:500], 1)[1][:, 0])
    second.write(tmp_path / "second.faiss")
    assert Lists.opened(tmp_path / "second.faiss").rows == 500


def test_equal_vectors_give_equal_bytes(tmp_path: Path) -> None:
    floats = clustered(ROWS, DIMENSIONS)
    for name in ("a", "b"):
        lists = Lists.trained(floats[:2000], "IVF16,SQ8")
        lists.fill([floats])
        lists.write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "data",
    [b"", b"IwFl", b"\0" * 64, b"no index at all, but long enough to be read as a header" * 4],
    ids=["nothing", "a header alone", "zeros", "words"],
)
def test_h1_what_is_no_lists_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.faiss").write_bytes(data)
    for read in (Lists.opened, Lists.emptied):
        with pytest.raises(CorruptObjectError, match=r"x\.faiss holds no inverted lists"):
            read(tmp_path / "x.faiss")


def test_h1_an_index_of_another_kind_is_refused(tmp_path: Path) -> None:
    """faiss reads it, but it has no lists."""
    (tmp_path / "flat.faiss").write_bytes(_flat_index())
    with pytest.raises(CorruptObjectError, match=r"flat\.faiss holds no inverted lists"):
        Lists.opened(tmp_path / "flat.faiss")


def test_a_scan_reads_the_vectors_where_they_lie() -> None:
    vectors = clustered(100, DIMENSIONS).astype(np.float16)
    scan = ExactScan(vectors)
    before = scan.search(vectors[:1].astype(np.float32), 1)[1]
    vectors[7] = vectors[0]
    vectors[0] = -vectors[0]
    after = scan.search(vectors[7:8].astype(np.float32), 1)[1]
    assert (before[0, 0], after[0, 0]) == (0, 7)


def test_a_bitmap_admits_what_the_mask_says() -> None:
    vectors = clustered(77, DIMENSIONS).astype(np.float16)
    mask = np.random.default_rng(3).random(77) < 0.4
    _, rows = ExactScan(vectors).search(vectors[:2].astype(np.float32), 77, Bitmap(mask))
    for found in rows:
        assert sorted(found[found >= 0].tolist()) == np.flatnonzero(mask).tolist()


def test_many_threads_find_the_same() -> None:
    vectors = clustered(3000, DIMENSIONS).astype(np.float16)
    scan, queries = ExactScan(vectors), clustered(10, DIMENSIONS, seed=5)
    expected = scan.search(queries, 5)[1]
    found: list[bool] = []

    def ask() -> None:
        found.extend(np.array_equal(scan.search(queries, 5)[1], expected) for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20


def _flat_index() -> bytes:
    index = faiss.IndexFlatIP(DIMENSIONS)
    return bytes(faiss.serialize_index(index))
