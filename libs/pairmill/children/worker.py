"""Work on one item at a time in a child process that may die or hang, which is then the item's evidence.

An item whose child dies or runs out of time is tried once more in a fresh child (U13). A child that dies
before it is ready says nothing about any item.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final, Generic, Literal, TypeVar

from pairmill.children.limits import NO_LIMITS, Limits, apply_limits, limited_cpu_time
from pairmill.children.orphans import end_when_orphaned
from pairmill.errors import PairmillError, RetriableError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

STRIKES: Final = 2
_START_SECONDS: Final = 120.0
_END_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """An item whose child did not live to answer, each time."""

    how: Literal["died", "timed_out"]
    detail: str


@dataclass(frozen=True, slots=True)
class _Raised:
    """What the child's work raised."""

    error: Exception


class ChildWorker(Generic[Item, Answer]):
    """One child process at a time, started when first needed. Thread-safe: callers take turns.

    `factory` is called in the child and returns the function that does the work; both it and the items
    must be picklable.
    """

    def __init__(
        self,
        factory: Callable[[], Callable[[Item], Answer]],
        *,
        seconds_per_item: float,
        name: str,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._factory = factory
        self._seconds = seconds_per_item
        self._name = name
        self._limits = limits
        self._lock = threading.Lock()
        self._child: tuple[SpawnProcess, Connection[Any, Any]] | None = None

    def map(self, items: Sequence[Item]) -> list[Answer | Death]:
        """Returns the answer to each item in order, or how its children died.

        Raises what the work raised, and RetriableError if no child can be started.
        """
        return [self.ask(item) for item in items]

    def ask(
        self, item: Item, *, seconds: float | None = None, cpu_seconds: float | None = None
    ) -> Answer | Death:
        """Returns the answer to one item, or how its children died; raises like `map`.

        `seconds` by the wall clock stand for this item in place of the worker's own; more than
        `cpu_seconds` of the child's processor time end it too, however busy the machine is.
        """
        with self._lock:
            death = Death(how="died", detail="")
            for _ in range(STRIKES):
                answer = self._ask_once(item, seconds or self._seconds, cpu_seconds)
                if not isinstance(answer, Death):
                    return answer
                death = answer
            return death

    def start(self) -> None:
        """Starts the child now rather than with the first item; raises RetriableError if it cannot."""
        with self._lock:
            if self._child is None:
                self._start()

    def close(self) -> None:
        """Ends the child, if there is one."""
        with self._lock:
            self._end()

    def _ask_once(self, item: Item, seconds: float, cpu_seconds: float | None) -> Answer | Death:
        process, connection = self._child or self._start()
        try:
            connection.send((cpu_seconds, item))
            if not connection.poll(seconds):
                self._end()
                return Death(how="timed_out", detail=f"no answer within {seconds:g} s")
            answer: Answer | _Raised = connection.recv()
        except (EOFError, OSError):
            process.join(_END_SECONDS)
            code = process.exitcode
            self._end()
            if code == -signal.SIGPROF:
                return Death(how="timed_out", detail=f"more than {cpu_seconds:g} s of processor time")
            return Death(how="died", detail=f"the child ended with {code}")
        if isinstance(answer, _Raised):
            raise answer.error
        return answer

    def _start(self) -> tuple[SpawnProcess, Connection[Any, Any]]:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._factory, self._limits), name=self._name, daemon=True
        )
        process.start()
        theirs.close()
        self._child = process, ours
        ready: object = None
        with suppress(EOFError, OSError):
            ready = ours.recv() if ours.poll(_START_SECONDS) else None
        if ready is True:
            return self._child
        self._end()
        if isinstance(ready, _Raised):
            raise ready.error
        raise RetriableError(f"the child process {self._name} did not start")

    def _end(self) -> None:
        if self._child is None:
            return
        process, connection = self._child
        self._child = None
        connection.close()
        process.kill()
        process.join(_END_SECONDS)
        process.close()


def _serve(
    connection: Connection[Any, Any], factory: Callable[[], Callable[[Any], Any]], limits: Limits
) -> None:
    """Runs in the child until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    end_when_orphaned()
    with suppress(EOFError, OSError):
        try:
            work = factory()
            apply_limits(limits)
        except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
            connection.send(_Raised(_portable(error)))
            return
        connection.send(True)
        while True:
            cpu_seconds, item = connection.recv()
            try:
                with limited_cpu_time(cpu_seconds):
                    answer = work(item)
                connection.send(answer)
            except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
                connection.send(_Raised(_portable(error)))


def _portable(error: Exception) -> Exception:
    """Returns an error that can be sent to another process whatever it holds."""
    return error if isinstance(error, PairmillError) else RuntimeError(f"{type(error).__name__}: {error}")
