"""Rows in an order over all segments, whatever the size of windows and parts."""

from __future__ import annotations

import numpy as np
import pytest

from pairmill_explorer.subsets.draws import draws_of
from pairmill_explorer.subsets.exports.samples import FileOrder
from pairmill_explorer.subsets.order import KeyOf, Places, by_id, in_order, in_parts, shuffled
from tests.fakes.made_segments import MadeSegment, make_segments


def everything(segments: list[MadeSegment]) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    return [np.ones(len(segment.ids), dtype=np.bool_) for segment in segments]


def keys_in(segments: list[MadeSegment], places: Places) -> list[bytes]:
    columns = [segment.table.column("sample_id").to_pylist() for segment in segments]
    pairs = zip(places.segment.tolist(), places.row.tolist(), strict=True)
    return [bytes(columns[number][row] or b"") for number, row in pairs]


def ordered(segments: list[MadeSegment], key_of: KeyOf, most: int) -> list[bytes]:
    windows = in_order(segments, everything(segments), key_of, most)
    return [key for places in windows for key in keys_in(segments, places)]


@pytest.mark.parametrize("most", [20, 100, 10**6])
def test_ids_come_in_ascending_order(most: int) -> None:
    segments = make_segments(700)
    found = ordered(segments, by_id, most)
    assert len(found) == 700
    assert found == sorted(found)


@pytest.mark.parametrize("most", [20, 100, 10**6])
def test_a_shuffle_depends_on_the_seed_alone(most: int) -> None:
    segments = make_segments(700)
    found = ordered(segments, shuffled(5), most)
    assert found == ordered(segments, shuffled(5), 300)
    assert found != ordered(segments, shuffled(6), 300)
    assert sorted(found) == ordered(segments, by_id, 300)


@pytest.mark.parametrize("most", [50, 10**6])
def test_rows_come_in_the_order_of_their_files(most: int) -> None:
    segments = make_segments(700)
    where = {
        bytes(row["sample_id"]): (row["data_file"], row["data_row"])
        for segment in segments
        for row in segment.table.to_pylist()
    }
    found = [where[key] for key in ordered(segments, FileOrder(segments).key_of, most)]
    assert found == sorted(where.values())


def test_parts_have_a_size_whatever_the_windows() -> None:
    segments = make_segments(700)
    windows = in_order(segments, everything(segments), by_id, 90)
    parts = list(in_parts(windows, 64))
    assert [len(part) for part in parts] == [64] * 10 + [60]
    assert [key for part in parts for key in keys_in(segments, part)] == ordered(segments, by_id, 10**6)


def test_nothing_has_no_windows() -> None:
    segments = make_segments(9)
    nothing = [np.zeros(len(segment.ids), dtype=np.bool_) for segment in segments]
    assert list(in_order(segments, nothing, by_id)) == []
    assert list(in_parts(iter(()), 5)) == []


def test_draws_are_spread_evenly_and_are_what_they_always_were() -> None:
    """Choices of old recipes depend on these numbers: they may not change."""
    ids = np.arange(20_000, dtype=np.uint64).reshape(-1, 2)
    draws = draws_of(ids, 7)
    counts = np.bincount((draws >> np.uint64(60)).astype(np.int64), minlength=16)
    assert counts.min() > 500
    assert [f"{draw:016x}" for draw in draws_of(ids[:2], 0).tolist()] == KNOWN
    assert (draws_of(ids, -1) != draws_of(ids, 1)).all()


KNOWN = ["44e5b98100c67fb0", "5ad11ccfb4d296ec"]
