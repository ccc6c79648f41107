"""As an index grows there is room for smaller codes only: new lists have them, a compaction mends the old."""

from __future__ import annotations

from pathlib import Path

from pairmill.store.directory import DirectoryStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.check import check_index
from pairmill_index.compact import compact
from pairmill_index.manifest import IndexVersion
from pairmill_index.options import BuildOptions
from tests.fakes.vector_dataset import VectorDataset


def kinds(version: IndexVersion) -> list[str]:
    """Returns the kind of each segment's lists."""
    return [one.indices[0].kind for one in version.segments]


def test_lists_follow_the_budget_as_an_index_grows(tmp_path: Path) -> None:
    made = VectorDataset(tmp_path / "dataset", dimensions=64, shard_rows=25_000, buckets=("en",))
    made.folder.mkdir()
    made.add(25_000)
    store = DirectoryStore(made.folder)
    options = BuildOptions(memory_bytes=4_000_000, latency_ms=0.5, min_recall=0.5)
    first = build_index(made.publish(), store, options, scratch=tmp_path)
    assert kinds(first) == ["IVF256,SQ8"]
    made.add(21_000)
    added = add_samples(made.publish(), store, scratch=tmp_path)
    assert kinds(added) == ["IVF256,SQ8", "IVF256,SQ4"]
    assert added.segments[1].indices[0].trained_by == added.segments[1].segment_id
    merged = compact(store, scratch=tmp_path)
    assert kinds(merged) == ["IVF512,SQ4"]
    assert compact(store, scratch=tmp_path) == merged
    assert check_index(store, tmp_path / "open").findings == []
