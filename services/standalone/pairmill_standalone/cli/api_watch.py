"""Following something to its end by streams, over restarts of the service that it is at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

from pairmill.errors import RetriableError
from pairmill_standalone.cli.api_caller import Caller, may_pass, pause_seconds

T = TypeVar("T")

PATIENCE_SECONDS: Final = 600.0
"""For how long a service may be away before the watch gives up."""

_PASSING: Final = frozenset(
    {"DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED", "ABORTED", "UNKNOWN", "INTERNAL"}
)
_SAID_AFTER: Final = 2


def followed(
    caller: Caller,
    what: str,
    opened: Callable[[], AbstractContextManager[Iterator[T]]],
    has_ended: Callable[[T], bool],
    tell: Callable[[str], None],
    patience_seconds: float = PATIENCE_SECONDS,
    *,
    is_known: bool = False,
) -> Iterator[T]:
    """Yields what streams say, one after the other, until something that has ended.

    A service that restarts or is exchanged is waited for; the second failure in a row is told. What the
    service itself has named, or has shown once, is known: it is not gone for good where it is not found.
    Raises what the service says for good, and RetriableError after `patience_seconds` without an answer.
    """
    import grpc

    heard_at, failures, seen = caller.clock.monotonic(), 0, is_known

    def is_late() -> bool:
        return caller.clock.monotonic() - heard_at >= patience_seconds

    while True:
        try:
            with opened() as messages:
                for message in messages:
                    heard_at, failures, seen = caller.clock.monotonic(), 0, True
                    yield message
                    if has_ended(message):
                        return
        except grpc.RpcError as error:
            if is_late() or not _will_pass(error, seen):
                raise caller.error(error) from error
        else:  # as proxies do that have nobody behind them
            if is_late():
                raise RetriableError(f"{caller.target} ends streams without a word about {what}")
        if failures == _SAID_AFTER - 1:
            tell(f"{caller.target} does not answer; {what} goes on, and so does the watch when it is back")
        caller.clock.sleep(pause_seconds(failures))
        failures += 1


def _will_pass(error: Any, seen: bool) -> bool:
    """Whether to ask again; what was there is what a service has not read yet that has just started."""
    code = error.code().name
    return may_pass(error) or code in _PASSING or (code == "NOT_FOUND" and seen)
