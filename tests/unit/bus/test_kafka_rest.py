"""A member's wait ends by what comes, by a wake, or by a glance that finds something to look at."""

from __future__ import annotations

import threading
import time
from itertools import count
from types import SimpleNamespace
from typing import Any

from kafka.future import Future  # type: ignore[import-untyped]  # the client has no types

from pairmill.bus.kafka_rest import Rest

LONG = 60.0


def _client(*answers: Any) -> Any:
    return SimpleNamespace(_fetcher=SimpleNamespace(_fetch_futures=answers))


def _seconds(rest: Rest, seconds: float, *, calm: bool) -> tuple[bool, float]:
    start = time.monotonic()
    woken = rest.wait(seconds, lambda: calm)
    return woken, time.monotonic() - start


def test_without_calm_the_first_glance_ends_the_wait() -> None:
    woken, seconds = _seconds(Rest(), LONG, calm=False)
    assert not woken
    assert 0.2 < seconds < 1.5


def test_in_calm_it_is_glances_that_are_frequent_and_not_looks() -> None:
    glances = count()
    start = time.monotonic()
    assert not Rest().wait(1.0, lambda: next(glances) >= 0)
    assert time.monotonic() - start >= 1.0
    assert next(glances) > 1


def test_calm_that_ends_ends_the_wait() -> None:
    calm = iter([True, False])
    start = time.monotonic()
    assert not Rest().wait(LONG, lambda: next(calm))
    assert time.monotonic() - start < 1.9


def test_an_answer_ends_the_wait_in_calm() -> None:
    rest, answer = Rest(), Future()
    rest.watch(_client(answer))
    threading.Timer(0.1, answer.success, [None]).start()
    woken, seconds = _seconds(rest, LONG, calm=True)
    assert not woken
    assert seconds < 1.9


def test_a_wake_ends_the_wait_in_calm_and_says_so() -> None:
    rest = Rest()
    threading.Timer(0.1, rest.wake).start()
    woken, seconds = _seconds(rest, LONG, calm=True)
    assert woken
    assert seconds < 1.9


def test_a_wake_before_the_wait_is_not_lost() -> None:
    rest = Rest()
    rest.wake()
    assert rest.wait(LONG, lambda: True)
