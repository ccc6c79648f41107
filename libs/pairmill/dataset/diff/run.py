"""The comparison as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pairmill.dataset.diff.compare import compare_range
from pairmill.dataset.diff.report import DiffReport, FunnelDifference
from pairmill.dataset.diff.rows import U0_ROWS, rows_in_all, spill_rows
from pairmill.dataset.diff.uncertain import Uncertain
from pairmill.dataset.funnel import DATASET, IN
from pairmill.dataset.lineage import lineage_of
from pairmill.dataset.manifest import Manifest
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError, InvalidRecordError
from pairmill.idarrays import Words
from pairmill.store.port import ObjectStore

PARTITION_ROWS: Final = 250_000

_DEPENDS_ON_SCORES: Final = frozenset({"score", "finalise", DATASET})
_NOT_SETTINGS: Final = frozenset({"job_id", "wat_list"})


def diff(
    a: Path | ObjectStore,
    b: Path | ObjectStore,
    *,
    scratch: Path | None = None,
    partition_rows: int = PARTITION_ROWS,
) -> DiffReport:
    """Returns where two datasets are not the same in the sense of U0.

    Memory does not grow with the datasets: rows are cut into ranges of ids in `scratch`, a temporary
    folder by default. Raises ConfigurationError for datasets that cannot be compared: of another wave
    size or another rule for ids, or where there is none; InvalidRecordError where rows have no proper id.
    """
    left, right = Dataset.open(a), Dataset.open(b)
    check_comparable(left.manifest, right.manifest)
    report = DiffReport()
    partitions = max(1, -(-max(rows_in_all(left), rows_in_all(right)) // partition_rows))
    with tempfile.TemporaryDirectory(prefix="pairmill-diff-", dir=scratch) as folder:
        try:
            _compare_rows(left, right, Path(folder), partitions, report)
        except ValueError as error:
            raise InvalidRecordError(f"{error}; run `pairmill audit` on both datasets first") from error
    _compare_funnels(left.manifest, right.manifest, report)
    report.settings.extend(_differences(left.manifest.job, right.manifest.job))
    return report


def _compare_rows(a: Dataset, b: Dataset, folder: Path, partitions: int, report: DiffReport) -> None:
    side_a, side_b = _Side(a, folder, partitions), _Side(b, folder, partitions)
    for number in range(partitions):
        left_out = np.concatenate([side_a.left_out(number), side_b.left_out(number)])
        compare_range(side_a.rows(number), side_b.rows(number), _distinct(left_out), report)


def check_comparable(a: Manifest, b: Manifest) -> None:
    """Raises ConfigurationError where equality is not defined (U6, U1)."""
    for name, why in (
        ("wave_size", "duplicates are dropped per wave; run both with the same `--set wave_size=N`"),
        ("id_version", "their samples have different ids; build one of them again"),
    ):
        here, there = a.job.get(name), b.job.get(name)
        if here != there:
            raise ConfigurationError(f"{name}: {here} and {there} cannot be compared: {why}")


class _Side:
    """The rows of one dataset and the verdicts too close to call, range by range in ascending order."""

    def __init__(self, dataset: Dataset, folder: Path, partitions: int) -> None:
        spec = dataset.manifest.spec()
        self._rows = spill_rows(dataset, lineage_of(dataset), folder, partitions).parts()
        self._left_out = Uncertain(dataset, spec, folder, partitions).parts()
        self._next_rows = next(self._rows, None)
        self._next_left_out = next(self._left_out, None)

    def rows(self, number: int) -> pa.Table:
        """Returns the rows of a range; ranges are asked for one after the other."""
        if self._next_rows is None or self._next_rows[0] != number:
            return U0_ROWS.empty_table()
        table = self._next_rows[1]
        self._next_rows = next(self._rows, None)
        return table

    def left_out(self, number: int) -> Words:
        """Returns the ids of a range whose verdict is too close to call."""
        if self._next_left_out is None or self._next_left_out[0] != number:
            return np.empty((0, 2), dtype=np.uint64)
        ids = self._next_left_out[1]
        self._next_left_out = next(self._left_out, None)
        return ids


def _distinct(ids: Words) -> Words:
    return np.unique(ids, axis=0) if len(ids) else ids


def _compare_funnels(a: Manifest, b: Manifest, report: DiffReport) -> None:
    """Rows that depend on scores may differ by as many as were left out, all others not at all."""
    here = {(row.stage, row.outcome, row.reason): row.count for row in a.funnel}
    there = {(row.stage, row.outcome, row.reason): row.count for row in b.funnel}
    for stage, outcome, reason in sorted(here.keys() | there.keys()):
        counts = [funnel.get((stage, outcome, reason), 0) for funnel in (here, there)]
        allowed = report.left_out if stage in _DEPENDS_ON_SCORES and outcome != IN else 0
        distance = abs(counts[0] - counts[1])
        if distance > allowed:
            report.funnel.append(
                FunnelDifference(stage=stage, outcome=outcome, reason=reason, a=counts[0], b=counts[1])
            )
        else:
            report.funnel_difference = max(report.funnel_difference, distance)


def _differences(
    a: Mapping[str, Any], b: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    for name in sorted((a.keys() | b.keys()) - _NOT_SETTINGS):
        here, there = a.get(name), b.get(name)
        if isinstance(here, dict) and isinstance(there, dict):
            yield from _differences(here, there, f"{prefix}{name}.")
        elif here != there:
            yield f"{prefix}{name}", _shown(here), _shown(there)


def _shown(value: Any) -> str:
    return "(unset)" if value is None else str(value)
