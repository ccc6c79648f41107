"""What the death of a reading child costs: nothing but the record that killed it twice (A7, U13)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.errors import RetriableError
from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.crawl import FRAMING, READING, CrawlOrder, crawl_wat
from pairmill_crawler.isolation import crawl_in_children
from pairmill_crawler.reader import Place
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.bench.big_wat import gzip_member
from tests.fakes.wat_readers import Kills, LocalReaders
from tests.unit.crawler.wats import Crawled, Held, Memory, collect, crawl, image, order, page_record, wat_of

PAGES = [page_record(image(f"/{n}.jpg", f"picture number {n}"), image(f"/{n}.png", "")) for n in range(12)]
OFFSETS = [len(wat_of(*PAGES[:n])) for n in range(12)]
BROKEN = b"".join(
    [wat_of(*PAGES[:3]), b"\x1f\x8b\x08broken member", wat_of(*PAGES[3:7]), gzip_member(b"".join(PAGES[7:]))]
)
DATA = {
    "members": wat_of(*PAGES),
    "one member": gzip_member(b"".join(PAGES)),
    "plain": b"".join(PAGES),
    "broken": BROKEN,
}


def reader_of(data: bytes, kills: Kills) -> LocalReaders:
    return LocalReaders(Memory(data, chunk=333), detector_named, kills)


def survived(reader: LocalReaders) -> tuple[Crawled, int]:
    deaths: list[int] = []
    found = collect(crawl_in_children(order(), reader.borrow, lambda: deaths.append(1)))
    return found, len(deaths)


def test_a7_a_record_that_kills_its_reader_twice_is_crashed_and_the_rest_is_read() -> None:
    fatal = OFFSETS[5]
    reader = reader_of(DATA["members"], lambda what, given: what == fatal and what not in given.crashed)
    found, deaths = survived(reader)
    assert deaths == 2
    assert found.counts == {"no_alt": 11, "crashed": 1}
    assert [row["text"] for row in found.rows] == [f"picture number {n}" for n in range(12) if n != 5]
    assert reader.orders[1].suspects == {fatal}
    (sample,) = found.drops.samples[Reason.REASON_CRASHED]
    assert sample[-1].wat_offset == fatal


def test_a7_several_fatal_records_each_cost_themselves() -> None:
    fatal = {OFFSETS[0], OFFSETS[4], OFFSETS[5], OFFSETS[11]}
    reader = reader_of(DATA["members"], lambda what, given: what in fatal - given.crashed)
    found, deaths = survived(reader)
    assert deaths == 8
    assert found.counts == {"no_alt": 8, "crashed": 4}
    assert len(found.rows) == 8


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32), kind=st.sampled_from(sorted(DATA)), deaths=st.integers(1, 6))
def test_a7_deaths_that_no_record_repeats_change_nothing(seed: int, kind: str, deaths: int) -> None:
    draw, data = random.Random(seed), DATA[kind]
    moments = sorted(draw.sample(range(1, 60), deaths))
    passed, held = [0], set[int]()

    def kills(what: int, given: CrawlOrder) -> bool:
        passed[0] += 1
        if passed[0] in moments and what >= 0 and what not in held:
            held.add(what)
            return True
        return False

    found, _ = survived(reader_of(data, kills))
    undisturbed = crawl(data, chunk=333)
    assert found.rows == undisturbed.rows
    assert found.counts == undisturbed.counts
    assert found.drops.samples == undisturbed.drops.samples


@settings(deadline=None, max_examples=60)
@given(kind=st.sampled_from(sorted(DATA)), chunk=st.sampled_from([50, 1000, 10**6]))
def test_reading_can_begin_anew_after_every_event(kind: str, chunk: int) -> None:
    data = DATA[kind]
    whole = crawl(data)
    places = [
        block.place
        for block in crawl_wat(order(careful=True), Memory(data), detector_named, Held())
        if not block.last
    ]
    for place in places:
        rest = crawl(data, chunk=chunk, after=place)
        assert rest.rows == whole.rows[len(whole.rows) - len(rest.rows) :]
    rests = [crawl(data, after=place) for place in places]
    assert [len(rest.rows) for rest in rests] == sorted([len(rest.rows) for rest in rests], reverse=True)
    assert len(rests[-1].rows) == 0


def test_a7_a_reader_that_dies_once_while_inflating_is_tried_again() -> None:
    died: list[int] = []

    def kills(what: int, given: CrawlOrder) -> bool:
        if what == FRAMING and not died and given.after == Place():
            died.append(what)
            return True
        return False

    found, deaths = survived(reader_of(DATA["members"], kills))
    assert deaths == 1
    assert len(found.rows) == 12
    assert found.counts == {"no_alt": 12}


def test_a7_a_member_that_cannot_be_inflated_alive_is_skipped() -> None:
    reader = reader_of(DATA["members"], lambda what, given: what == FRAMING and not given.skip_member)
    found, deaths = survived(reader)
    assert deaths == 2
    assert len(found.rows) == 11
    assert found.counts == {"no_alt": 11, "crashed": 1}
    assert f"bytes 0 to {OFFSETS[1]} are lost" in found.details(Reason.REASON_CRASHED)[0]


def test_a_source_whose_reading_kills_is_no_evidence_against_a_record() -> None:
    reader = reader_of(DATA["members"], lambda what, given: what == READING)
    with pytest.raises(RetriableError, match="kills its reader"):
        survived(reader)


def test_a_skipped_member_is_the_one_at_the_anchor() -> None:
    place = Place(anchor=OFFSETS[3], before_anchor=OFFSETS[2], plain=False)
    found = collect(
        crawl_wat(
            replace(order(), after=place, skip_member=True), Memory(DATA["members"]), detector_named, Held()
        )
    )
    assert [row["text"] for row in found.rows] == [f"picture number {n}" for n in range(4, 12)]
    assert found.counts == {"no_alt": 8, "crashed": 1}
