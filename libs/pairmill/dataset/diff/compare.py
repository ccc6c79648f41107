"""Row by row and column by column, one range of ids after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.dataset.diff.report import MAX_EXAMPLES, ColumnDifference, DiffReport
from pairmill.dataset.diff.rows import EXACT, VERDICT, one_row_per_id
from pairmill.dataset.verdicts import SCORE_NAMES
from pairmill.idarrays import Words, find, hex_of
from pairmill.verdict import float_column, one_array

MAX_SCORE_DIFFERENCE: Final = np.float32(1e-3)

_Flags = npt.NDArray[np.bool_]


def compare_range(a: pa.Table, b: pa.Table, left_out: Words, report: DiffReport) -> None:
    """Adds the differences of one range of ids; `left_out` are ids whose verdict is not compared."""
    ids_a, rows_a = one_row_per_id(a)
    ids_b, rows_b = one_row_per_id(b)
    in_b = find(ids_b, ids_a)
    in_a = find(ids_a, ids_b)
    report.only_in_a += _take_examples(ids_a[in_b < 0], report.examples_a)
    report.only_in_b += _take_examples(ids_b[in_a < 0], report.examples_b)
    common = np.flatnonzero(in_b >= 0)
    ids, rows_a, rows_b = ids_a[common], rows_a.take(common), rows_b.take(in_b[common])
    report.compared += len(ids)
    for column in EXACT:
        _note(column, ids, rows_a, rows_b, _differing(rows_a, rows_b, column), report)
    _compare_scores(ids, rows_a, rows_b, report)
    _compare_verdicts(ids, rows_a, rows_b, left_out, report)


def _compare_scores(ids: Words, a: pa.Table, b: pa.Table, report: DiffReport) -> None:
    for column in SCORE_NAMES:
        here, there = float_column(a, column), float_column(b, column)
        distance = np.abs(here - there)
        both = np.isfinite(here) & np.isfinite(there)
        neither = np.isnan(here) & np.isnan(there)
        if both.any():
            largest = float(distance[both].max())
            report.score_difference[column] = max(report.score_difference.get(column, 0.0), largest)
        # Written scores are float32: a distance of 1e-3 may come out a little larger.
        too_far = both & (distance > MAX_SCORE_DIFFERENCE + np.float32(1e-6))
        _note(column, ids, a, b, too_far | ~(both | neither), report)


def _compare_verdicts(ids: Words, a: pa.Table, b: pa.Table, left_out: Words, report: DiffReport) -> None:
    open_ = find(left_out, ids) >= 0
    differ = np.zeros(len(ids), dtype=np.bool_)
    for column in VERDICT:
        found = _differing(a, b, column)
        differ |= found
        _note(column, ids, a, b, found & ~open_, report)
    report.left_out += int(open_.sum())
    report.left_out_differing += int((differ & open_).sum())


def _differing(a: pa.Table, b: pa.Table, column: str) -> _Flags:
    """Returns which rows differ; null equals null and nothing else."""
    here, there = one_array(a, column), one_array(b, column)
    equal = _flags(pc.equal(here, there).fill_null(False))
    return ~(equal | (_flags(here.is_null()) & _flags(there.is_null())))


def _flags(array: pa.Array[Any]) -> _Flags:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _note(column: str, ids: Words, a: pa.Table, b: pa.Table, flags: _Flags, report: DiffReport) -> None:
    places = np.flatnonzero(flags)
    if not len(places):
        return
    difference = report.columns.setdefault(column, ColumnDifference(column=column))
    difference.count += len(places)
    shown = places[: MAX_EXAMPLES - len(difference.examples)]
    names = hex_of(ids[shown]).to_pylist()
    for name, here, there in zip(names, _values(a, column, shown), _values(b, column, shown), strict=True):
        difference.examples.append((str(name), here, there))


def _values(table: pa.Table, column: str, places: npt.NDArray[Any]) -> Iterator[str]:
    for value in table.column(column).take(places).to_pylist():
        yield "(none)" if value is None else str(value)[:200]


def _take_examples(ids: Words, examples: list[str]) -> int:
    examples.extend(str(name) for name in hex_of(ids[: MAX_EXAMPLES - len(examples)]).to_pylist())
    return len(ids)
