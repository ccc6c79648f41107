"""What recipes cut of a real index, against the rows of the dataset and against search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import ParseDict

from pairmill.clock import SystemClock
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ListedObject
from pairmill_explorer.errors import BadRequestError, NotFoundError
from pairmill_explorer.search.masks import mask_cache
from pairmill_explorer.search.searcher import Searcher
from pairmill_explorer.subsets.cut import Cut, cut_of
from pairmill_explorer.subsets.exports.rates import DEFAULT_RATE, rates
from pairmill_explorer.subsets.recipe import checked
from pairmill_index.manifest import Modality
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest
from pairmill_protos.explorer.v1.subset_service_pb2 import PreviewSubsetRequest, Recipe
from tests.fakes.failing_store import FailingStore
from tests.fakes.subset_desks import OpenedDesk, opened_desk
from tests.integration.subsets.conftest import Rows


def cut(opened: OpenedDesk, **facts: Any) -> Cut:
    recipe = ParseDict({"name": "r", **facts}, Recipe())
    with opened.served.use() as snapshot:
        return cut_of(snapshot, checked(recipe, snapshot.index.manifest.dimensions, snapshot.rules))


def ids(opened: OpenedDesk, found: Cut) -> set[str]:
    with opened.served.use() as snapshot:
        tables = [segment.table.column("sample_id").to_pylist() for segment in snapshot.index.segments]
    return {
        bytes(key or b"").hex()
        for keys, flags in zip(tables, found.chosen, strict=True)
        for key, chosen in zip(keys, flags.tolist(), strict=True)
        if chosen
    }


def vectors_by_id(opened: OpenedDesk) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    with opened.served.use() as snapshot:
        return {
            bytes(key or b"").hex(): np.asarray(vector, dtype=np.float32)
            for segment in snapshot.index.segments
            for key, vector in zip(
                segment.table.column("sample_id").to_pylist(), segment.vectors(Modality.TEXT), strict=True
            )
        }


def test_filters_cut_the_rows_that_meet_them(opened: OpenedDesk, rows: Rows) -> None:
    found = cut(
        opened,
        filters={"languages": ["en", ""], "similarity": {"min": 0.25, "max": 0.75}, "width": {"min": 500}},
    )
    wanted = {
        row["sample_id"]
        for row in rows
        if row["LANGUAGE"] in ("en", None)
        and np.float32(0.25) <= np.float32(row["similarity"]) <= np.float32(0.75)
        and row["WIDTH"] >= 500
    }
    assert ids(opened, found) == wanted
    assert found.matching == found.samples == len(wanted)


def test_a_query_without_a_bound_takes_all_that_are_near_enough(opened: OpenedDesk, rows: Rows) -> None:
    vectors, sample = vectors_by_id(opened), rows[0]["sample_id"]
    found = cut(opened, parts=[{"sample_id": sample}], modality="MODALITY_TEXT", min_score=0.1)
    scores = {key: float(vector @ vectors[sample]) for key, vector in vectors.items()}
    wanted = {key for key, score in scores.items() if score >= 0.1 / 1.001}
    assert {key for key in wanted if scores[key] >= 0.1 * 1.001} <= ids(opened, found) <= wanted
    assert len(wanted) > 100
    assert found.matching == 1000


@pytest.mark.parametrize("collapse", [{}, {"phash_distance": 16}, {"cosine": 0.4}], ids=str)
def test_few_results_are_those_of_search(opened: OpenedDesk, rows: Rows, collapse: dict[str, float]) -> None:
    facts: dict[str, Any] = {
        "parts": [{"sample_id": rows[5]["sample_id"]}],
        "filters": {"verdicts": ["kept"]},
        "collapse": collapse,
    }
    found = cut(opened, **facts, max_results=60)
    request = ParseDict({**facts, "page_size": 60}, SearchRequest())
    with opened.served.use() as snapshot:
        response = Searcher(mask_cache(10**6), results_bytes=10**6).search(snapshot, request)
    assert ids(opened, found) == {hit.sample.sample_id for hit in response.hits}
    assert found.samples == 60


def test_a_query_that_cannot_be_made_is_refused(opened: OpenedDesk) -> None:
    with pytest.raises(BadRequestError, match="model"):
        cut(opened, parts=[{"text": "a cat"}], max_results=5)
    with pytest.raises(NotFoundError):
        cut(opened, parts=[{"sample_id": "0" * 32}], max_results=5)


def test_a_preview_says_what_an_export_would_hold(opened: OpenedDesk, stored: Path, rows: Rows) -> None:
    recipe = opened.save(filters={"verdicts": ["kept"]}, size=300, seed=2)
    found = opened.desk.preview_subset(PreviewSubsetRequest(recipe=recipe))
    export = opened.export("WEBDATASET")
    assert found.matching == len([row for row in rows if row["verdict"] == "kept"])
    assert found.samples == 300
    assert (found.samples - found.without_image, found.without_image) == (
        export.samples_done,
        export.without_image,
    )
    by_id = {row["sample_id"]: row for row in rows}
    chosen = ids(opened, cut(opened, filters={"verdicts": ["kept"]}, size=300, seed=2))
    assert found.image_bytes == sum(by_id[key]["tar_size"] or 0 for key in chosen)
    assert found.estimated_seconds == pytest.approx(
        (found.image_bytes + export.samples_done * 5120) / DEFAULT_RATE
    )
    assert {sample.sample_id for sample in found.examples} <= chosen
    assert len(found.examples) == 12
    assert opened.desk.preview_subset(PreviewSubsetRequest(recipe=recipe)).examples == found.examples


def test_a_preview_reads_no_more_after_many_exports(stored: Path, tmp_path: Path) -> None:
    """Of those that took long enough it knows the rate."""
    asked: list[str] = []

    class Watched(FailingStore):
        def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
            asked.append(key)
            return super().get(key, sha256=sha256)

        def list(self, prefix: str) -> Iterator[ListedObject]:
            asked.append(prefix)
            return super().list(prefix)

    class Hurried(SystemClock):
        def monotonic(self) -> float:
            return 1e6 * super().monotonic()

    store = Watched(DirectoryStore(stored), fails="", times=0)
    with opened_desk(store, tmp_path / "s", clock=Hurried()) as opened:
        request = PreviewSubsetRequest(recipe=opened.save(filters={"verdicts": ["kept"]}, size=300))
        asked.clear()
        before = opened.desk.preview_subset(request)
        once = sorted(asked)
        for size in range(100, 107):
            assert opened.export("WEBDATASET", size=size).samples_done
        opened.line.close()  # it looks into the store too
        asked.clear()
        after = opened.desk.preview_subset(request)
    assert sorted(asked) == once
    assert len(rates(store)) == 5
    assert after.estimated_seconds > 100 * before.estimated_seconds
