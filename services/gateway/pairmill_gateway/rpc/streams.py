"""Places for streams: so many in all and per caller, and all of them end when the gateway stops."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from pairmill_gateway.rpc.calls import Call
from pairmill_gateway.rpc.refusals import RefusedError


class StreamPlaces:
    """Each open stream holds a thread; callers cannot take more than their share. Thread-safe."""

    def __init__(self, *, most: int, most_per_caller: int) -> None:
        self._most = most
        self._most_per_caller = most_per_caller
        self._lock = threading.Lock()
        self._open: dict[int, Call] = {}
        self._by_caller: Counter[str] = Counter()
        self._ending = False

    @property
    def open(self) -> int:
        """Streams that are open."""
        with self._lock:
            return len(self._open)

    @contextmanager
    def taken(self, call: Call) -> Iterator[None]:
        """Holds a place meanwhile; raises RESOURCE_EXHAUSTED where there is none, UNAVAILABLE at the end."""
        name = call.caller.name if call.caller else ""
        with self._lock:
            self._check(name)
            self._open[id(call)] = call
            self._by_caller[name] += 1
        try:
            yield
        finally:
            with self._lock:
                del self._open[id(call)]
                self._by_caller[name] -= 1
                self._by_caller += Counter()  # without names that have none

    def end_all(self) -> None:
        """Lets every stream end at its next turn, and no other begin."""
        with self._lock:
            self._ending = True
            for call in self._open.values():
                call.ended.set()

    def _check(self, name: str) -> None:
        if self._ending:
            raise RefusedError(grpc.StatusCode.UNAVAILABLE, "the gateway stops; call again")
        if len(self._open) >= self._most:
            raise RefusedError(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self._most} streams are open, no more are served"
            )
        if self._by_caller[name] >= self._most_per_caller:
            raise RefusedError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{name} has {self._most_per_caller} streams open; close one",
            )
