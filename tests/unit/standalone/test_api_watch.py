"""How long a watch goes on with streams that say nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import pytest

from pairmill.errors import RetriableError
from pairmill_standalone.cli.api_caller import Caller
from pairmill_standalone.cli.api_errors import Dialect
from pairmill_standalone.cli.api_watch import followed
from tests.fakes.clock import ManualClock


def watch(streams: Iterator[Sequence[int]], clock: ManualClock, told: list[str]) -> Iterator[int]:
    """Follows streams of numbers, of which 9 is the end, with ten seconds of patience."""
    caller = Caller(
        target="gateway:7700",
        token=lambda: "",
        timeout_seconds=1.0,
        clock=clock,
        tell=told.append,
        dialect=Dialect(server="gateway", option_of=str),
    )

    def opened() -> AbstractContextManager[Iterator[int]]:
        return nullcontext(iter(next(streams)))

    return followed(caller, "the job", opened, lambda number: number == 9, told.append, 10.0)


def test_streams_that_end_without_a_word_are_not_followed_for_longer_than_the_patience() -> None:
    def empty() -> Iterator[Sequence[int]]:
        for _ in range(1000):
            yield ()

    clock, told = ManualClock(), list[str]()
    with pytest.raises(RetriableError, match="gateway:7700 ends streams without a word about the job"):
        list(watch(empty(), clock, told))
    assert 10 <= clock.monotonic() < 15
    assert len(told) == 1


def test_a_word_renews_the_patience_and_the_end_ends_the_watch() -> None:
    quiet: list[Sequence[int]] = [()] * 5
    streams = [*quiet, (1,), *quiet, (2, 3), *quiet, (9,)]
    clock = ManualClock()
    assert list(watch(iter(streams), clock, [])) == [1, 2, 3, 9]
    assert clock.monotonic() > 2
