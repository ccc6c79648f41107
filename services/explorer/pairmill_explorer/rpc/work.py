"""Where calls are worked on: a bounded number of threads, with a bounded number of calls that wait."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc

from pairmill.rpc.refusals import RefusedError

Answer = TypeVar("Answer")

_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkConfig:
    """How much is done at once, whoever asks."""

    threads: int = 4  # calls that are worked on at once
    waiting: int = 128  # calls that wait for a thread; more are refused
    picture_threads: int = 4  # pictures that are read and made smaller at once, beside the calls
    calls_per_minute: int = 1200  # of one token, over HTTP and gRPC together; 0: no bound

    def __post_init__(self) -> None:
        if min(self.threads, self.picture_threads) < 1:
            raise ValueError("threads and picture_threads have to be at least 1")
        if min(self.waiting, self.calls_per_minute) < 0:
            raise ValueError("waiting and calls_per_minute cannot be below 0")


class Workers:
    """Threads that search, whoever asks: more at once than processors would only take turns. Thread-safe."""

    def __init__(self, threads: int, waiting: int) -> None:
        """At most `waiting` calls wait for a thread."""
        self._most = threads + waiting
        self._lock = threading.Lock()
        self._given = 0
        self._refused = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="work")

    @property
    def given(self) -> int:
        """Calls that are at work or wait."""
        return self._given

    @property
    def refused(self) -> int:
        """Calls that were turned away."""
        return self._refused

    def submit(self, answer: Callable[..., Answer], *arguments: Any) -> Future[Answer]:
        """Gives a call to a thread; raises RESOURCE_EXHAUSTED where too many wait already."""
        work: list[Callable[[], Answer]] = [partial(contextvars.copy_context().run, answer, *arguments)]
        with self._lock:
            if self._given >= self._most:
                self._refused += 1
                raise RefusedError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"{self._given} calls are at work or wait, no more are taken",
                    retry_seconds=_RETRY_SECONDS,
                )
            self._given += 1
        try:
            future = self._pool.submit(lambda: work[0]())
        except RuntimeError as error:  # the pool has ended
            self._done(work)
            raise RefusedError(grpc.StatusCode.UNAVAILABLE, "the server stops; call again") from error
        future.add_done_callback(lambda _: self._done(work))
        return future

    def _done(self, work: list[Callable[[], Answer]]) -> None:
        work.clear()  # what was cancelled stays in the pool's queue until a thread gets there, without it
        with self._lock:
            self._given -= 1

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Lets go of the threads; what is at work goes on to its end, and what waits does not begin."""
        self._pool.shutdown(wait=False, cancel_futures=True)
