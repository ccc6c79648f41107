"""What a manifest states is what its users get."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from pairmill.store.directory import DirectoryStore
from pairmill_index.build import build_index
from pairmill_index.manifest import Modality
from pairmill_index.opened import OpenSegment, open_index
from pairmill_index.options import BuildOptions
from tests.fakes.vector_dataset import Floats, VectorDataset, beside, clustered

ROWS, DIMENSIONS, CLUSTERS = 24_000, 128, 400
OPTIONS = BuildOptions(latency_ms=1.0, memory_bytes=2**26, min_recall=0.8)


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> OpenSegment:
    folder = tmp_path_factory.mktemp("stated")
    world = VectorDataset(folder / "dataset", dimensions=DIMENSIONS, buckets=("en",), shard_rows=ROWS)
    world.folder.mkdir()
    world.add(ROWS)
    store = DirectoryStore(world.folder)
    build_index(world.publish(), store, OPTIONS, scratch=folder / "scratch")
    return open_index(store, folder / "open").segments[0]


def asked() -> Floats:
    """Vectors that no index holds: half of them lie as pictures do, half as texts."""
    pictures = clustered(600, DIMENSIONS, seed=77, clusters=CLUSTERS)
    return np.concatenate([pictures[:300], beside(pictures[300:], 5)])


def found_share(segment: OpenSegment, modality: Modality, k: int) -> float:
    queries = asked()
    scores = queries @ segment.vectors(modality).astype(np.float32).T
    wanted: npt.NDArray[np.int64] = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    hits = [
        len(np.intersect1d(segment.search(modality, query[None], k)[1][0], nearest))
        for query, nearest in zip(queries, wanted, strict=True)
    ]
    return float(np.mean(hits)) / k


@pytest.mark.parametrize("modality", list(Modality))
def test_the_stated_recall_is_what_searches_for_as_many_results_find(
    segment: OpenSegment, modality: Modality
) -> None:
    """A search for a hundred looks into more lists than one for ten, which must not stand in for it."""
    index = segment.segment.index(modality)
    assert index.measured is not None
    assert index.lists > 100
    assert index.measured.recall_at_10 >= OPTIONS.min_recall
    assert found_share(segment, modality, 10) == pytest.approx(index.measured.recall_at_10, abs=0.06)
    assert found_share(segment, modality, 100) == pytest.approx(index.measured.recall_at_100, abs=0.06)
