"""How long an export will take, by those before."""

from __future__ import annotations

from pathlib import Path

from pairmill.store.directory import DirectoryStore
from pairmill_explorer.subsets.exports.layout import RATES
from pairmill_explorer.subsets.exports.rates import DEFAULT_RATE, Rate, bytes_per_second, note_rate, rates
from pairmill_explorer.subsets.preview import stored_bytes
from tests.fakes.failing_store import FailingStore
from tests.fakes.made_segments import make_segments


def rate(number: int, count: int, seconds: float) -> Rate:
    return Rate(export_id=str(number), bytes=count, seconds=seconds)


def test_before_an_export_a_rate_is_assumed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    assert bytes_per_second(rates(store)) == DEFAULT_RATE
    note_rate(store, rate(1, 1000, 0.01))
    assert bytes_per_second(rates(store)) == DEFAULT_RATE


def test_the_rate_is_that_of_the_last_exports_together(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for number in (*range(3), 12):
        note_rate(store, rate(number, 10**12, 1.0))
    for number in range(10, 15):
        note_rate(store, rate(number, 1000 * number, 10.0))
    assert bytes_per_second(rates(store)) == 1000 * (10 + 11 + 12 + 13 + 14) / 50


def test_rates_that_cannot_be_kept_or_read_are_done_without(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put(RATES, b"no JSON")
    assert bytes_per_second(rates(store)) == DEFAULT_RATE
    note_rate(FailingStore(store, fails=RATES, times=1), rate(1, 1000, 10.0))
    assert rates(store) == ()
    note_rate(store, rate(1, 1000, 10.0))
    assert bytes_per_second(rates(store)) == 100


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
