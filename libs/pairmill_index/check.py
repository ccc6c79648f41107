"""Checking an index: is every file as it was written, and does what is found agree with what is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.idarrays import Words, words_of
from pairmill.store.port import ObjectStore
from pairmill_index.files import LocalFiles
from pairmill_index.lists_build import drawn
from pairmill_index.manifest import EXACT, IndexVersion, Modality
from pairmill_index.measure import NEAR, answers, held_out, queries_for, recall
from pairmill_index.opened import OpenIndex, OpenSegment, open_index
from pairmill_index.progress import Progress, no_progress
from pairmill_index.publish import current_of, read_version

_LOOKED_AT: Final = 4096  # rows of a segment whose vectors are looked at
_UNIT: Final = 2e-2  # how far a rounded vector's length may be from 1
_BLOCK_ROWS: Final = 1 << 20


@dataclass(slots=True)
class IndexReport:
    """What a check came to."""

    version: str = ""
    rows: int = 0  # that count
    removed: int = 0  # rows that do not
    files: int = 0
    bytes: int = 0
    recall_at_10: dict[str, float] = field(default_factory=dict)  # by segment and modality
    findings: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def check_index(store: ObjectStore, scratch: Path, progress: Progress = no_progress) -> IndexReport:
    """Reads every file of the version that serves, compares, recounts, and searches a sample exactly.

    Raises NoIndexError where there is no index; all else that is wrong is a finding.
    """
    report = IndexReport()
    current = current_of(store)
    report.version = current.version
    try:
        version = read_version(store, current)
        _check_files(store, scratch, version, report, progress)
        if report.findings:
            return report
        with open_index(store, scratch) as index:
            _check_rows(index, report)
            _check_recall(index, report, progress)
    except (CorruptObjectError, ObjectMissingError) as error:
        report.findings.append(str(error))
    return report


def _check_files(
    store: ObjectStore, scratch: Path, version: IndexVersion, report: IndexReport, progress: Progress
) -> None:
    files = [file for segment in version.segments for file in segment.files]
    files += [version.removed] if version.removed is not None else []
    total = sum(file.bytes for file in files)
    local = LocalFiles(store, scratch, trusting=False)
    for file in files:
        try:
            local.local(file)
        except (CorruptObjectError, ObjectMissingError) as error:
            report.findings.append(str(error))
        report.files += 1
        report.bytes += file.bytes
        progress("comparing", report.bytes, total)
    local.note()


def _check_rows(index: OpenIndex, report: IndexReport) -> None:
    for segment in index.segments:
        name = segment.segment.segment_id
        alive = int(np.count_nonzero(segment.alive))
        report.rows += alive
        report.removed += segment.rows - alive
        report.findings += [f"{name}: {problem}" for problem in _problems_of_rows(segment)]
    found = sum(one.rows for one in index.segments)
    if found != index.manifest.rows:
        report.findings.append(f"the manifest states {index.manifest.rows:,} rows, there are {found:,}")


def _problems_of_rows(segment: OpenSegment) -> Iterator[str]:
    if not _is_ascending(segment.ids):
        yield "its ids are not in ascending order"
    start = 0
    for chunk in segment.table["sample_id"].chunks:
        if not np.array_equal(words_of(chunk), segment.ids[start : start + len(chunk)]):
            yield "ids and columns are not of the same samples"
            break
        start += len(chunk)
    rows = drawn(segment.ids[:, 1], 0.0, _LOOKED_AT / max(segment.rows, 1))
    for modality in Modality:
        lengths = np.linalg.norm(segment.vectors(modality)[rows].astype(np.float32), axis=1)
        if not (np.abs(lengths - 1) < _UNIT).all():  # also where one is NaN
            yield f"{modality} vectors are not of unit length"


def _is_ascending(ids: Words) -> bool:
    for start in range(0, len(ids), _BLOCK_ROWS):
        high, low = (ids[start : start + _BLOCK_ROWS + 1, word] for word in (0, 1))
        rises = (high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] > low[:-1]))
        if not rises.all():
            return False
    return True


def _check_recall(index: OpenIndex, report: IndexReport, progress: Progress) -> None:
    for segment in index.segments:
        for modality in Modality:
            if segment.segment.index(modality).kind != EXACT:
                progress(f"searching {segment.segment.segment_id}", 0, 1)
                found = recall_of(segment, modality)
                name = f"{segment.segment.segment_id}, {modality}"
                report.recall_at_10[name] = found
                if found < index.manifest.options.min_recall:
                    gate = index.manifest.options.min_recall
                    report.findings.append(f"{name}: recall@10 is {found:.3f}, below the gate of {gate}")


def recall_of(segment: OpenSegment, modality: Modality) -> float:
    """Returns recall@10 of a segment's lists on its held-out queries, against exact search."""
    search, everything = segment.searcher(modality), segment.admitted()
    low_words = segment.ids[:, 1]
    rows = drawn(low_words, 0.0, queries_for(segment.rows) / segment.rows)
    rows = rows[segment.alive[rows]]
    other = Modality.TEXT if modality == Modality.IMAGE else Modality.IMAGE
    queries = held_out(search, segment.vectors(modality), segment.vectors(other), rows, everything, threads=1)
    probes = segment.segment.index(modality).probes
    found = answers(search, queries, NEAR, everything, probes, lambda: 0.0)
    return recall(found.rows, queries.truth, NEAR)
