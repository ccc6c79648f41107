"""Bringing a dataset's index up to date: built, added to, or left as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

import structlog

from pairmill.dataset.reader import Dataset
from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.local import folder_of
from pairmill.store.port import ObjectStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.compact import compact
from pairmill_index.errors import IndexRefusedError
from pairmill_index.manifest import IndexVersion
from pairmill_index.options import BuildOptions
from pairmill_index.progress import Progress, no_progress
from pairmill_index.publish import current_or_none, read_version
from pairmill_index.sweep import sweep
from pairmill_indexer.merging import forget, merged
from pairmill_indexer.verdicts import Refusal

log = structlog.get_logger(__name__)

Change = Literal["built", "added", "none"]

_HEALED_BY_A_BUILD: Final = (IndexRefusedError, CorruptObjectError, ObjectMissingError)
"""What an addition may end with although a build from the dataset alone would do: new samples that old
training does not find, and damaged files of the index itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """An index that is up to date."""

    change: Change
    version: str
    dataset_version: str
    rows: int
    recall: Mapping[tuple[str, str], float] = field(default_factory=dict)  # @10, by bucket and modality
    merge_refused: Refusal | None = None  # why it has more segments than it should


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How an index is changed."""

    options: BuildOptions  # of what is built
    scratch: Path
    threads: int = 0  # 0 takes all cores
    max_segments: int = 8  # of a bucket, before they are merged
    progress: Progress = no_progress


def bring_up_to_date(store: ObjectStore, how: How) -> Indexed:
    """Has the newest version of a dataset served by an index, and returns it. May be called at any time.

    A version that is there is left alone, but for a merge that is due. A later one of the same dataset is
    added to the index where that keeps to the same options; otherwise, and where an addition does not do, the
    index is built. Until a new version is published the one before serves. Raises what builds raise.
    """
    change, version = _up_to_date(store, how)
    version, refused = _merged(store, version, how)  # also where the one who added was killed before
    sweep(store)  # a change that was killed after its publication left old files
    return _indexed(change, version, refused)


def _merged(store: ObjectStore, version: IndexVersion, how: How) -> tuple[IndexVersion, Refusal | None]:
    """Returns a version, merged where it has too many segments and that is not refused, and why it is."""
    if _segments_of_a_bucket(version) <= how.max_segments:
        forget(store)
        return version, None
    merge = partial(compact, store, scratch=how.scratch, progress=how.progress, threads=how.threads)
    return merged(store, version, merge)


def _up_to_date(store: ObjectStore, how: How) -> tuple[Change, IndexVersion]:
    """Returns the version of the newest dataset, and what it took."""
    dataset = Dataset.open(folder_of(store) or store)
    served = _readable(store)
    if served is not None and served.dataset_version == dataset.manifest.version:
        return "none", served
    version = _added(dataset, store, how) if served is not None and _fits(dataset, served, how) else None
    if version is not None:
        return "added", version
    return "built", build_index(
        dataset, store, how.options, scratch=how.scratch, progress=how.progress, threads=how.threads
    )


def served_version(store: ObjectStore) -> IndexVersion | None:
    """Returns the version of the index that serves, if any."""
    current = current_or_none(store)
    return read_version(store, current) if current is not None else None


def _readable(store: ObjectStore) -> IndexVersion | None:
    """Returns the version that serves, unless it cannot be read: a build takes its place, or says why not."""
    try:
        return served_version(store)
    except (CorruptObjectError, ObjectMissingError) as error:
        log.warning("index_unreadable", error=f"{type(error).__name__}: {error}")
        return None


def _fits(dataset: Dataset, served: IndexVersion, how: How) -> bool:
    """Whether an addition would make what is asked for."""
    bundle = dataset.manifest.bundle
    model = (str(bundle.get("digest", "")), int(bundle.get("dimensions", 0)))
    return model == (served.bundle_digest, served.dimensions) and served.options == how.options


def _added(dataset: Dataset, store: ObjectStore, how: How) -> IndexVersion | None:
    """Returns the version with what is new, or None where only a build will do."""
    try:
        return add_samples(dataset, store, scratch=how.scratch, progress=how.progress, threads=how.threads)
    except _HEALED_BY_A_BUILD as error:
        log.warning("addition_refused", error=f"{type(error).__name__}: {error}")
        return None


def _segments_of_a_bucket(version: IndexVersion) -> int:
    """Returns the most segments that a bucket has."""
    return max(Counter(segment.bucket for segment in version.segments).values(), default=0)


def _indexed(change: Change, version: IndexVersion, merge_refused: Refusal | None) -> Indexed:
    recall: dict[tuple[str, str], float] = {}
    for segment in version.segments:
        for index in segment.indices:
            found = index.measured.recall_at_10 if index.measured is not None else 1.0
            place = (segment.bucket, index.modality.value)
            recall[place] = min(found, recall.get(place, 1.0))
    return Indexed(
        change=change,
        version=version.version(),
        dataset_version=version.dataset_version,
        rows=version.rows,
        recall=recall,
        merge_refused=merge_refused,
    )
