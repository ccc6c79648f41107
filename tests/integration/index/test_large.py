"""Segments that are large enough for inverted lists: built, added to, merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pairmill.store.directory import DirectoryStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.check import check_index
from pairmill_index.compact import compact
from pairmill_index.manifest import Modality
from pairmill_index.opened import open_index
from pairmill_index.options import BuildOptions
from tests.fakes.vector_dataset import VectorDataset

ROWS = 21_000
OPTIONS = BuildOptions(latency_ms=0.5, memory_bytes=2**25, min_recall=0.7)


def test_additions_share_the_training_until_a_merger_needs_more_lists(tmp_path: Path) -> None:
    world = VectorDataset(tmp_path / "dataset", dimensions=96, buckets=("en",), shard_rows=ROWS)
    world.folder.mkdir()
    world.add(ROWS)
    store, scratch = DirectoryStore(world.folder), tmp_path / "scratch"
    first = build_index(world.publish(), store, OPTIONS, scratch=scratch).segments[0]
    world.add(ROWS)
    version = add_samples(world.publish(), store, scratch=scratch)
    old, new = version.segments
    for modality in Modality:
        assert old.index(modality) == first.index(modality)
        assert new.index(modality).trained_by == first.segment_id
        assert new.index(modality).trained_on == first.index(modality).trained_on
    with open_index(store, tmp_path / "open") as index:
        for segment in index.segments:
            own = segment.vectors(Modality.IMAGE)[100:110].astype(np.float32)
            rows = segment.search(Modality.IMAGE, own, 1)[1][:, 0]
            assert rows.tolist() == list(range(100, 110))
    merged = compact(store, scratch=scratch).segments
    assert [one.rows for one in merged] == [2 * ROWS]
    assert merged[0].index(Modality.IMAGE).trained_by == merged[0].segment_id
    assert merged[0].index(Modality.IMAGE).lists == 2 * first.index(Modality.IMAGE).lists
    report = check_index(store, tmp_path / "check")
    assert report.findings == []
    assert min(report.recall_at_10.values()) >= 0.7
