"""How long an export will take, by those before."""

from __future__ import annotations

from pairmill_explorer.subsets.exports.job import End, EndRecord
from pairmill_explorer.subsets.preview import DEFAULT_RATE, rate_of, stored_bytes
from tests.fakes.made_segments import make_segments


def ended(day: int, count: int, seconds: float, state: End = End.COMPLETE) -> EndRecord:
    return EndRecord(state=state, ended_at=f"2024-01-{day:02}T00:00:00", bytes=count, seconds=seconds)


def test_before_an_export_a_rate_is_assumed() -> None:
    assert rate_of([]) == DEFAULT_RATE
    assert rate_of([ended(1, 1000, 0.01), ended(2, 10**9, 10, End.FAILED)]) == DEFAULT_RATE


def test_the_rate_is_that_of_the_last_exports_together() -> None:
    old = [ended(day, 10**12, 1.0) for day in range(1, 4)]
    last = [ended(day, 1000 * day, 10.0) for day in range(10, 15)]
    assert rate_of([*last, *old]) == 1000 * (10 + 11 + 12 + 13 + 14) / 50


def test_the_bytes_of_images_are_those_of_the_rows_chosen() -> None:
    segments = make_segments(300)
    flags = [segment.ids[:, 1] % 2 == 0 for segment in segments]
    wanted = sum(
        row["tar_size"] or 0
        for segment, chosen in zip(segments, flags, strict=True)
        for row, taken in zip(segment.table.to_pylist(), chosen.tolist(), strict=True)
        if taken
    )
    assert stored_bytes(segments, flags) == wanted > 0
