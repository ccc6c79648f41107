"""What follows an attempt: rules without a clock (U9)."""

from __future__ import annotations

import math

import pytest

from pairmill_downloader.ends import Ended, HandedOn, Round, Tries, TryAgain, after_failure
from pairmill_downloader.ports import FetchEnd
from pairmill_downloader.queues import DomainQueue, queues_of
from pairmill_downloader.targets import Target
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules

RULES = DownloadRules(max_attempts=3, host_delay_seconds=1.0, retry_after_cap_seconds=100.0)
FIRST = Round(number=0, rounds=2)
LAST = Round(number=2, rounds=2)


def target(url: str = "https://a.test/1.jpg", **facts: int) -> Target:
    host = url.split("/")[2]
    return Target(url=url, host=host, domain=host.split(".", host.count(".") - 1)[-1], rows=(0,), **facts)


def after(
    reason: Reason.ValueType = Reason.REASON_HTTP_5XX,
    *,
    made: int = 1,
    place: Round = FIRST,
    asked: float | None = None,
    waited_rounds: int = 0,
) -> Ended | HandedOn | TryAgain:
    tries = Tries(target(attempts_used=5, retry_after_rounds=waited_rounds), made=made)
    end = FetchEnd(reason=reason, retry_after_seconds=asked)
    return after_failure(tries, end, RULES, place, jitter=0.5)


@pytest.mark.parametrize(
    "reason", [Reason.REASON_HTTP_4XX, Reason.REASON_DNS_NOT_FOUND, Reason.REASON_ROBOTS_DISALLOWED]
)
def test_what_time_does_not_heal_is_final_at_once(reason: Reason.ValueType) -> None:
    end = after(reason)
    assert isinstance(end, Ended)
    assert (end.reason, end.attempts) == (reason, 6)


def test_d7_attempts_within_a_unit_are_spaced_more_and_more() -> None:
    first, second = after(made=1), after(made=2)
    assert isinstance(first, TryAgain)
    assert isinstance(second, TryAgain)
    assert (first.pause_seconds, second.pause_seconds) == (2.0, 4.0)


def test_d7_used_up_attempts_lead_to_the_next_round_or_the_end() -> None:
    handed_on = after(made=3)
    assert isinstance(handed_on, HandedOn)
    assert (handed_on.next_round, handed_on.attempts) == (True, 8)
    end = after(made=3, place=LAST)
    assert isinstance(end, Ended)
    assert end.reason == Reason.REASON_HTTP_5XX


def test_d6_a_wait_below_the_cap_is_waited_within_the_unit() -> None:
    again = after(Reason.REASON_HTTP_429, asked=30.0)
    assert isinstance(again, TryAgain)
    assert (again.pause_seconds, again.host_pause_seconds) == (30.0, 30.0)


def test_d6_a_wait_at_the_cap_uses_the_round_up_and_is_remembered() -> None:
    end = after(Reason.REASON_HTTP_429, asked=86400.0, waited_rounds=1)
    assert isinstance(end, HandedOn)
    assert end.retry_after_rounds == 2


@pytest.mark.parametrize(
    ("waited", "reason"), [(2, Reason.REASON_HOST_UNAVAILABLE), (1, Reason.REASON_HTTP_429)]
)
def test_d6_only_a_host_that_always_asked_for_the_cap_is_unavailable(
    waited: int, reason: Reason.ValueType
) -> None:
    end = after(Reason.REASON_HTTP_429, asked=100.0, place=LAST, waited_rounds=waited)
    assert isinstance(end, Ended)
    assert end.reason == reason


def queue(*hosts: str, delay: float = 1.0) -> DomainQueue:
    (made,) = queues_of([target(f"https://{host}.a.test/") for host in hosts], delay)
    return made


def url_of(tries: Tries | None) -> str | None:
    return tries.target.host if tries else None


def test_d11_urls_of_a_domain_keep_their_distance() -> None:
    waiting = queue("x", "y")
    assert url_of(waiting.take_ready(10.0)) == "x.a.test"
    assert waiting.take_ready(10.9) is None
    assert waiting.next_time() == 11.0
    assert url_of(waiting.take_ready(11.0)) == "y.a.test"
    assert waiting.next_time() == math.inf


def test_d6_a_paused_host_does_not_hold_up_its_domain() -> None:
    waiting = queue("x", "y", delay=0.0)
    waiting.pause_host("x.a.test", 50.0)
    assert url_of(waiting.take_ready(10.0)) == "y.a.test"
    assert waiting.next_time() == 50.0
    assert url_of(waiting.take_ready(50.0)) == "x.a.test"


def test_a_queue_learns_the_pace_of_a_gate_that_is_slower() -> None:
    waiting = queue("x", "y", "z")
    for now in (0.0, 5.0):
        assert waiting.take_ready(now) is not None
        waiting.had_turn(now + 4.0, waited=4.0)
    assert waiting.next_time() == 9.0 + 5.0


def test_a_long_queue_is_not_looked_through_at_every_turn() -> None:
    class Moment(float):
        looks = 0

        def __lt__(self, other: float) -> bool:
            Moment.looks += 1
            return super().__lt__(other)

    waiting = DomainQueue("a.test", 1.0)
    for number in range(1000):
        waiting.add(Tries(target(f"https://a.test/{number}"), not_before=Moment(0.0)))
    now = 0.0
    while len(waiting):
        now = max(now, waiting.next_time())
        assert waiting.take_ready(now) is not None
    assert 1000 <= Moment.looks <= 10_000  # of a million, were each looked at every time


def test_domains_do_not_wait_for_each_other() -> None:
    urls = ("https://a.test/", "https://b.test/", "https://a.test/2")
    queues = queues_of([target(url) for url in urls], 1.0)
    assert [(one.domain, len(one)) for one in queues] == [("a.test", 2), ("b.test", 1)]
