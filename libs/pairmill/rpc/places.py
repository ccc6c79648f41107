"""Places: so many calls of a kind at once, in all and per caller, so that nobody takes those of others."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

import grpc

from pairmill.rpc.calls import Call
from pairmill.rpc.config import RpcConfig
from pairmill.rpc.methods import Method
from pairmill.rpc.refusals import RefusedError

MAX_PROBES: Final = 16
"""Health checks at once; who asks has no name, so they have no share of the rest."""


RETRY_SECONDS: Final = 1.0
"""Places come back as calls end."""


class Places:
    """Each call holds a thread. Thread-safe."""

    def __init__(self, what: str, *, most: int, most_per_caller: int) -> None:
        self._what = what
        self._most = most
        self._most_per_caller = most_per_caller
        self._lock = threading.Lock()
        self._taken: dict[int, Call] = {}
        self._by_caller: Counter[str] = Counter()
        self._ending = False

    @property
    def taken_now(self) -> int:
        """Places that are taken."""
        with self._lock:
            return len(self._taken)

    @contextmanager
    def taken(self, call: Call) -> Iterator[None]:
        """Holds a place meanwhile; raises RESOURCE_EXHAUSTED where there is none, UNAVAILABLE at the end."""
        name = call.caller.name if call.caller else ""
        with self._lock:
            self._check(name)
            self._taken[id(call)] = call
            self._by_caller[name] += 1
        try:
            yield
        finally:
            with self._lock:
                del self._taken[id(call)]
                self._by_caller[name] -= 1
                self._by_caller += Counter()  # without names that have none

    def end_all(self) -> None:
        """Lets every call end at its next wait, and no other begin."""
        with self._lock:
            self._ending = True
            for call in self._taken.values():
                call.ended.set()

    def _check(self, name: str) -> None:
        if self._ending:
            raise RefusedError(grpc.StatusCode.UNAVAILABLE, "the server stops; call again")
        if len(self._taken) >= self._most:
            problem = f"{self._most} {self._what} are open, no more are served"
        elif self._by_caller[name] >= self._most_per_caller:
            problem = f"{name} has {self._most_per_caller} {self._what} open; end one first"
        else:
            return
        raise RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, problem, retry_seconds=RETRY_SECONDS)


@dataclass(frozen=True, slots=True)
class Shares:
    """The places of each kind of call. Together they are the server's threads."""

    calls: Places
    streams: Places
    probes: Places

    @classmethod
    def of(cls, config: RpcConfig) -> Self:
        """Returns what a configuration allows."""
        return cls(
            calls=Places("calls", most=config.threads, most_per_caller=config.max_calls_per_caller),
            streams=Places("streams", most=config.max_streams, most_per_caller=config.max_streams_per_caller),
            probes=Places("health checks", most=MAX_PROBES, most_per_caller=MAX_PROBES),
        )

    def for_method(self, method: Method) -> Places:
        """Returns the places that a method's calls take."""
        if method.role is None:
            return self.probes
        return self.streams if method.is_stream else self.calls


def threads_of(config: RpcConfig) -> int:
    """Returns the threads that all places need."""
    return config.threads + config.max_streams + MAX_PROBES
