"""Which change brings an index up to date."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError, CorruptObjectError, PairmillError, RetriableError
from pairmill.store.directory import DirectoryStore
from pairmill_index.add import add_samples
from pairmill_index.errors import NoRoomError
from pairmill_index.layout import version_key
from pairmill_index.manifest import IndexVersion
from pairmill_index.opened import open_index
from pairmill_index.options import BuildOptions
from pairmill_index.publish import current_of, publish
from pairmill_index.remove import remove_samples
from pairmill_indexer.change import How, bring_up_to_date, served_version
from pairmill_indexer.merging import NOTE, merged
from pairmill_indexer.verdicts import Fate, Refusal, fate_of
from tests.fakes.vector_dataset import VectorDataset

MERGING = "merging"  # a step


@pytest.fixture
def made(tmp_path: Path) -> VectorDataset:
    (tmp_path / "d").mkdir()
    found = VectorDataset(tmp_path / "d", dimensions=8, shard_rows=100)
    found.add(300)
    found.publish()
    return found


def how(made: VectorDataset, **options: bool) -> How:
    return How(options=BuildOptions(min_recall=0.5, **options), scratch=made.folder.parent / "scratch")


def rows(made: VectorDataset) -> int:
    """Samples that the index that serves has."""
    with open_index(DirectoryStore(made.folder), made.folder.parent / "opened") as index:
        return sum(int(np.count_nonzero(segment.alive)) for segment in index.segments)


def test_an_index_is_built_once(made: VectorDataset) -> None:
    store = DirectoryStore(made.folder)
    first = bring_up_to_date(store, how(made))
    again = bring_up_to_date(store, how(made))
    assert (first.change, again.change) == ("built", "none")
    assert first.version == again.version
    assert first.dataset_version == Dataset.open(made.folder).manifest.version
    assert set(first.recall.values()) == {1.0}
    assert rows(made) == first.rows == 300


def test_a_later_version_is_added_without_a_build(made: VectorDataset) -> None:
    store = DirectoryStore(made.folder)
    bring_up_to_date(store, how(made))
    vectors = {path: path.read_bytes() for path in made.folder.glob("index/segments/*/image.npy")}
    made.add(100)
    made.publish()
    second = bring_up_to_date(store, how(made))
    assert (second.change, second.rows, rows(made)) == ("added", 400, 400)
    assert vectors
    assert {path: path.read_bytes() for path in vectors} == vectors


def test_other_options_are_built(made: VectorDataset) -> None:
    store = DirectoryStore(made.folder)
    bring_up_to_date(store, how(made))
    made.add(100)
    made.publish()
    assert bring_up_to_date(store, how(made, only_kept=True)).change == "built"


def test_additions_are_merged_when_there_are_too_many(made: VectorDataset) -> None:
    store = DirectoryStore(made.folder)
    few = How(options=BuildOptions(min_recall=0.5), scratch=made.folder.parent / "s", max_segments=1)
    bring_up_to_date(store, few)
    made.add(100)
    made.publish()
    assert bring_up_to_date(store, few).change == "added"
    assert rows(made) == 400


def test_h1_additions_are_merged_after_a_death_between_addition_and_merge(made: VectorDataset) -> None:
    store, scratch = DirectoryStore(made.folder), made.folder.parent / "s"
    bring_up_to_date(store, how(made))
    for _ in range(2):
        made.add(100)
        add_samples(made.publish(), store, scratch=scratch)  # and then the indexer dies
    few = How(options=BuildOptions(min_recall=0.5), scratch=scratch, max_segments=2)
    assert bring_up_to_date(store, few).change == "none"
    served = served_version(store)
    assert served is not None
    assert max(Counter(one.bucket for one in served.segments).values()) <= 2
    assert rows(made) == 500


def test_a_merger_that_would_find_too_little_leaves_the_addition_served(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    made = VectorDataset(tmp_path / "d", dimensions=8, shard_rows=11_000, buckets=("en",))
    store = DirectoryStore(made.folder)
    strict = How(
        options=BuildOptions(min_recall=1.0, latency_ms=0.001), scratch=tmp_path / "s", max_segments=1
    )
    for change in ("built", "added"):
        made.add(11_000)  # both are searched exactly, together they would not be
        made.publish()
        assert bring_up_to_date(store, strict).change == change
    served = served_version(store)
    assert served is not None
    assert len(served.segments) == 2
    assert served.dataset_version == Dataset.open(made.folder).manifest.version
    assert rows(made) == 22_000


def crowded(tmp_path: Path, **options: float) -> tuple[VectorDataset, How]:
    """Returns a dataset with an index of two segments, searched exactly, whose merger is refused."""
    (tmp_path / "d").mkdir()
    made = VectorDataset(tmp_path / "d", dimensions=8, shard_rows=11_000, buckets=("en",))
    told = BuildOptions(min_recall=1.0, latency_ms=0.001)
    strict = How(options=told, scratch=tmp_path / "s", max_segments=1)
    for _ in range(2):
        made.add(11_000)
        made.publish()
        refused = bring_up_to_date(DirectoryStore(made.folder), strict).merge_refused
    assert refused is Refusal.LOW_RECALL
    return made, strict


def with_steps(how: How) -> tuple[How, list[str]]:
    """Returns it with a list of the steps that are worked on."""
    steps: list[str] = []
    return replace(how, progress=lambda step, done, total: steps.append(step)), steps


def test_a_merger_that_was_refused_is_left_alone_until_a_bucket_has_grown(tmp_path: Path) -> None:
    made, strict = crowded(tmp_path)
    store = DirectoryStore(made.folder)
    watched, steps = with_steps(strict)
    again = bring_up_to_date(store, watched)
    assert (again.change, again.merge_refused, steps) == ("none", Refusal.LOW_RECALL, [])
    made.add(1_000)
    made.publish()
    little = bring_up_to_date(store, watched)
    assert (little.change, little.merge_refused) == ("added", Refusal.LOW_RECALL)
    assert MERGING not in steps
    made.add(6_000)
    made.publish()
    assert bring_up_to_date(store, watched).merge_refused is Refusal.LOW_RECALL
    assert MERGING in steps


def test_a_merger_is_tried_again_once_samples_were_removed(tmp_path: Path) -> None:
    made, strict = crowded(tmp_path)
    store = DirectoryStore(made.folder)
    remove_samples(store, made.ids[:5], scratch=tmp_path / "scratch")
    watched, steps = with_steps(strict)
    assert bring_up_to_date(store, watched).merge_refused is Refusal.LOW_RECALL
    assert MERGING in steps


def test_a_merger_is_tried_again_with_other_options(tmp_path: Path) -> None:
    made, strict = crowded(tmp_path)
    store = DirectoryStore(made.folder)
    assert store.stat(NOTE) is not None
    served = served_version(store)
    assert served is not None
    lenient = msgspec.structs.replace(served, options=BuildOptions(min_recall=0.0, latency_ms=10.0))
    publish(store, lenient, current_of(store))
    found = bring_up_to_date(store, replace(strict, options=lenient.options))
    assert found.merge_refused is None
    assert store.stat(NOTE) is None
    assert rows(made) == 22_000


def test_a_merger_without_room_leaves_the_addition_served(made: VectorDataset) -> None:
    def refuse() -> IndexVersion:
        raise NoRoomError("memory: too little")

    store = DirectoryStore(made.folder)
    bring_up_to_date(store, how(made))
    version = served_version(store)
    assert version is not None
    for _ in range(2):
        assert merged(store, version, refuse) == (version, Refusal.NOT_INDEXABLE)
    assert fate_of(NoRoomError("memory")) == (Fate.REFUSE, Refusal.NOT_INDEXABLE)


def test_h1_a_damaged_file_of_the_index_is_healed_by_a_build(made: VectorDataset) -> None:
    store = DirectoryStore(made.folder)
    bring_up_to_date(store, how(made))
    for path in made.folder.glob("index/segments/*/ids.npy"):
        path.write_bytes(path.read_bytes()[:-8])
    made.add(100)
    made.publish()
    assert bring_up_to_date(store, how(made)).change == "built"
    assert rows(made) == 400


def test_g8_an_index_of_another_schema_is_built_anew_with_its_removals(made: VectorDataset) -> None:
    """As after an upgrade: nobody has to ask for the build."""
    store = DirectoryStore(made.folder)
    bring_up_to_date(store, how(made))
    version = remove_samples(store, made.ids[:5], scratch=made.folder.parent / "scratch")
    publish(store, msgspec.structs.replace(version, schema_version=99), current_of(store))
    assert bring_up_to_date(store, how(made)).change == "built"
    assert rows(made) == 295


def test_g8_a_manifest_that_was_changed_is_not_built_over(made: VectorDataset) -> None:
    """It is not known what was removed."""
    store = DirectoryStore(made.folder)
    bring_up_to_date(store, how(made))
    remove_samples(store, made.ids[:5], scratch=made.folder.parent / "scratch")
    before = current_of(store)
    store.put(version_key(before.version), b"{}")
    with pytest.raises(CorruptObjectError, match="what was removed") as raised:
        bring_up_to_date(store, how(made))
    assert fate_of(raised.value) == (Fate.REFUSE, Refusal.CORRUPT_OBJECT)
    store.delete(version_key(before.version))
    with pytest.raises(CorruptObjectError, match=r"delete index/current\.json"):
        bring_up_to_date(store, how(made))
    assert current_of(store) == before


def test_g4_a_damaged_file_of_the_dataset_is_refused_and_the_old_version_serves(made: VectorDataset) -> None:
    store = DirectoryStore(made.folder)
    first = bring_up_to_date(store, how(made))
    made.add(100)
    made.publish()
    for path in made.folder.glob("embeddings/img_emb/*.npy"):
        path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(PairmillError) as raised:
        bring_up_to_date(store, how(made))
    assert fate_of(raised.value) == (Fate.REFUSE, Refusal.CORRUPT_OBJECT)
    served = served_version(store)
    assert served is not None
    assert served.version() == first.version


def test_h1_a_version_whose_files_another_build_removed_is_not_published(made: VectorDataset) -> None:
    store = DirectoryStore(made.folder)
    bring_up_to_date(store, how(made))
    version, current = served_version(store), current_of(store)
    assert version is not None
    another = msgspec.structs.replace(version, code_version="another")
    store.delete(version.segments[0].files[0].path)
    with pytest.raises(RetriableError, match="another build"):
        publish(store, another, current)
    assert current_of(store) == current


def test_a_dataset_without_samples_is_not_indexable(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    made = VectorDataset(tmp_path / "d", dimensions=8)
    made.publish()
    with pytest.raises(ConfigurationError):
        bring_up_to_date(DirectoryStore(made.folder), how(made))
