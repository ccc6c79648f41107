"""One child process that crawls WATs for its parent and may die over any of them (U13)."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.sharedctypes import RawArray
from typing import Any, Final

from pairmill.children.limits import Limits, apply_limits
from pairmill.children.orphans import end_when_orphaned
from pairmill.domains import registrable_domain
from pairmill.errors import PairmillError
from pairmill_crawler.crawl import READING, Block, CrawlOrder, crawl_wat
from pairmill_crawler.isolation import ChildDiedError
from pairmill_crawler.ports import Detectors, OpenSource

_END_SECONDS: Final = 5.0
_OUT_OF_MEMORY: Final = 77
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSettings:
    """What a child is made of; picklable."""

    open_source: OpenSource
    detectors: Detectors
    stall_seconds: float
    memory_bytes: int  # 0 does not limit it


@dataclass(frozen=True, slots=True)
class _Raised:
    """What the child's work raised."""

    error: Exception


class CrawlChild:
    """A child process. Not thread-safe; once it has died it is of no more use."""

    def __init__(self, settings: ChildSettings) -> None:
        self._stall_seconds = settings.stall_seconds
        self._held = RawArray("q", [READING, 0])  # shared memory: it outlives the child; see _Holder
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
        self._connection, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(
            target=_serve, args=(theirs, self._held, settings), name="wat-reader", daemon=True
        )
        self._process.start()
        theirs.close()
        self.is_usable = True

    def crawl(self, order: CrawlOrder) -> Iterator[Block | None]:
        """Yields the blocks of an order as they come, and None now and then while there are none.

        Raises ChildDiedError with what the child held, and what the crawl itself raised. A crawl that is
        not read to its end makes the child unusable.
        """
        self.is_usable = False
        self._held[0] = READING  # until the child has begun it waits for nothing else
        try:
            self._connection.send(order)
            while True:
                answer = yield from self._answer()
                if isinstance(answer, _Raised):
                    self.is_usable = True
                    raise answer.error
                self.is_usable = answer.last
                yield answer
                if answer.last:
                    return
        except (EOFError, OSError) as error:  # some of an answer may have come
            self._process.join(_END_SECONDS)
            detail = f"the child ended with {self._process.exitcode}"
            raise ChildDiedError(self._held[0], detail) from error

    def close(self) -> None:
        """Ends the process."""
        self.is_usable = False
        self._connection.close()
        self._process.kill()
        self._process.join(_END_SECONDS)

    def _answer(self) -> Generator[None, None, Block | _Raised]:
        """Waits for the child's next answer; one that works on one thing for too long is ended."""
        waited, seen = 0.0, list(self._held)
        while not self._connection.poll(_POLL_SECONDS):
            yield None
            now = list(self._held)
            if now != seen:
                waited, seen = 0.0, now
            elif now[0] != READING:
                waited += _POLL_SECONDS
            if waited >= self._stall_seconds:
                self.close()
                raise ChildDiedError(seen[0], f"the child did not get on for {self._stall_seconds:g} s")
        answer: Block | _Raised = self._connection.recv()
        return answer


class _Holder:
    """Notes in shared memory what is worked on, and how often the source was asked for more.

    A child that looks for the next record through much that is none holds the same all the time.
    """

    def __init__(self, held: Any) -> None:
        self._held = held

    def hold(self, what: int) -> None:
        """Notes it."""
        self._held[0] = what
        if what == READING:
            self._held[1] += 1


def _serve(connection: Connection[Any, Any], held: Any, settings: ChildSettings) -> None:
    """Runs in the child until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    end_when_orphaned()
    apply_limits(Limits(memory_bytes=settings.memory_bytes or None))
    registrable_domain("example.org")  # loads the list of suffixes while nothing is held yet
    holder = _Holder(held)
    with suppress(EOFError, ConnectionError):
        while True:
            order: CrawlOrder = connection.recv()
            try:
                for block in crawl_wat(order, settings.open_source, settings.detectors, holder):
                    connection.send(block)
            except (EOFError, ConnectionError):
                raise
            except MemoryError:
                os._exit(_OUT_OF_MEMORY)
            except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
                connection.send(_Raised(_portable(error)))


def _portable(error: Exception) -> Exception:
    """Returns an error that can be sent to another process whatever it holds."""
    return error if isinstance(error, PairmillError) else RuntimeError(f"{type(error).__name__}: {error}")
