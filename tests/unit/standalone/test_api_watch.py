"""How long a watch goes on with streams that say nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import grpc
import pytest

from pairmill.errors import ConfigurationError, RetriableError
from pairmill_standalone.cli.api_caller import Caller
from pairmill_standalone.cli.api_errors import Dialect
from pairmill_standalone.cli.api_watch import followed
from tests.fakes.clock import ManualClock


class NotFound(grpc.RpcError):
    """What a service says of something that it has not read yet."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.NOT_FOUND

    def details(self) -> str:
        return "there is no job"

    def trailing_metadata(self) -> tuple[()]:
        return ()


def watch(
    streams: Iterator[Sequence[int] | grpc.RpcError],
    clock: ManualClock,
    told: list[str],
    *,
    is_known: bool = False,
) -> Iterator[int]:
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
        stream = next(streams)
        if isinstance(stream, grpc.RpcError):
            raise stream
        return nullcontext(iter(stream))

    def has_ended(number: int) -> bool:
        return number == 9

    return followed(caller, "the job", opened, has_ended, told.append, 10.0, is_known=is_known)


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


def test_what_a_service_has_just_named_is_not_gone_where_another_has_not_read_of_it() -> None:
    streams: list[Sequence[int] | grpc.RpcError] = [NotFound(), NotFound(), (1,), NotFound(), (9,)]
    assert list(watch(iter(streams), ManualClock(), [], is_known=True)) == [1, 9]
    with pytest.raises(ConfigurationError, match="there is no job"):
        list(watch(iter(streams), ManualClock(), []))
