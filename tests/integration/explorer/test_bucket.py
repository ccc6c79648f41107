"""A dataset in a bucket answers as the same one in a folder."""

from __future__ import annotations

from pathlib import Path

from pairmill_explorer.open import CoreConfig, Explorer, open_explorer
from pairmill_protos.explorer.v1.search_pb2 import Filters, SafeMode
from pairmill_protos.explorer.v1.search_service_pb2 import (
    GetFacetsRequest,
    GetSamplesRequest,
    ListDroppedRequest,
    SearchRequest,
)
from tests.fakes.store import MemoryStore

SHOW = Filters(safe_mode=SafeMode.SAFE_MODE_SHOW)


def bucket_of(folder: Path) -> MemoryStore:
    """Returns the files of a folder as objects of a store that is no folder."""
    store = MemoryStore()
    for path in sorted(folder.rglob("*")):
        key = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in key.parts):
            store.put(str(key), path.read_bytes())
    return store


def test_a_dataset_in_a_bucket_answers_like_one_in_a_folder(
    explorer: Explorer, folder: Path, tmp_path: Path
) -> None:
    store = bucket_of(folder)
    config = CoreConfig(scratch=tmp_path, poll_seconds=3600, image_processes=1)
    here = explorer.search
    with open_explorer({"demo": store}, config) as other:
        there = other.search
        hits = here.search(SearchRequest(filters=SHOW, page_size=1000)).hits
        ids = [hit.sample.sample_id for hit in hits]
        assert list(there.search(SearchRequest(filters=SHOW, page_size=1000)).hits) == list(hits)
        assert there.get_facets(GetFacetsRequest()) == here.get_facets(GetFacetsRequest())
        before = store.range_bytes
        detail = GetSamplesRequest(sample_ids=ids[:3])
        assert there.get_samples(detail) == here.get_samples(detail)
        assert store.range_bytes > before
        assert (
            there.list_dropped(ListDroppedRequest()).dropped
            == here.list_dropped(ListDroppedRequest()).dropped
        )
        for hit in hits[:20]:
            sample = hit.sample
            assert there.image("", sample.sample_id, 0) == here.image("", sample.sample_id, 0)
            assert (here.image("", sample.sample_id, 0) is None) == (sample.unsafe or not sample.has_image)


def test_a_copied_folder_without_checksums_is_read(folder: Path, explorer: Explorer) -> None:
    """`.checksums` is no part of a dataset: files of the dataset itself are read without."""
    assert (folder / "dataset.json").is_file()
    assert not (folder / ".checksums" / "dataset.json").exists()
    assert explorer.datasets.get("").manifest().dataset.manifest.version
