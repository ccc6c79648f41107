"""Calls of a service over gRPC: a deadline on each, repeated where that does no harm."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pairmill.clock import Clock
from pairmill.errors import PairmillError
from pairmill_standalone.cli.api_errors import Dialect, error_of

if TYPE_CHECKING:
    import grpc

T = TypeVar("T")

STREAM_SECONDS: Final = 600.0
"""Deadline of one stream; a longer watch is several of them."""

_FIRST_PAUSE_SECONDS: Final = 0.1
_MAX_PAUSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Calls a service. Raises our errors: ConfigurationError for a wrong request, RetriableError, …"""

    target: str
    token: Callable[[], str]  # read at each call: it may be exchanged meanwhile
    timeout_seconds: float
    clock: Clock
    tell: Callable[[str], None]
    dialect: Dialect

    def call(self, method: Callable[..., T], request: Any, *, repeat: bool = True) -> T:
        """Calls within the time-out, again while the service is away if that does no harm."""
        import grpc

        deadline, attempt = self.clock.monotonic() + self.timeout_seconds, 0
        while True:
            remaining = max(0.001, deadline - self.clock.monotonic())
            try:
                return method(request, timeout=remaining, metadata=self._metadata())
            except grpc.RpcError as error:
                pause = pause_seconds(attempt)
                late = self.clock.monotonic() + pause >= deadline
                if late or not repeat or not may_pass(error):
                    raise self.error(error) from error
                if attempt == 1:
                    self.tell(f"{self.target} does not answer; trying for {self.timeout_seconds:g} s")
                self.clock.sleep(pause)
                attempt += 1

    @contextmanager
    def stream(self, method: Callable[..., Any], request: Any) -> Iterator[Iterator[Any]]:
        """Gives the messages of one stream; grpc's errors come through, for they say whether to go on."""
        call = method(request, timeout=STREAM_SECONDS, metadata=self._metadata())
        try:
            yield iter(call)
        finally:
            call.cancel()

    def error(self, error: grpc.RpcError) -> PairmillError:
        """Returns our error for one of grpc's."""
        return error_of(error, self.target, self.dialect)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token()}"),)


def pause_seconds(attempt: int) -> float:
    """Returns how long to wait before trying again: twice as long each time, up to 5 s, by chance less."""
    longest = min(_MAX_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(attempt, 10))
    return longest * random.uniform(0.5, 1.0)


def may_pass(error: Any) -> bool:
    """Whether a service is only away; that it is not trusted, or speaks no TLS, does not pass."""
    return error.code().name == "UNAVAILABLE" and "handshake failed" not in (error.details() or "").lower()
