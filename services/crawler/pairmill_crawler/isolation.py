"""What the death of a child says of the WAT it was reading, and how reading goes on (U13).

A child notes what it holds before it works on it. A record held at a death is tried once more, alone in a
fresh child; if that dies too the record is `crashed`. The same holds for the member that is being inflated
when a child dies: at its second death reading goes on with the next member.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final, Protocol

from pairmill.errors import RetriableError
from pairmill_crawler.crawl import READING, Block, CrawlOrder

STRIKES: Final = 2


class ChildDiedError(Exception):
    """A child process died, or was ended because it did not get on."""

    def __init__(self, held: int, detail: str) -> None:
        super().__init__(detail)
        self.held = held  # offset of a record, FRAMING or READING


class Reader(Protocol):
    """A child process, as far as this page needs it."""

    def crawl(self, order: CrawlOrder) -> Iterator[Block | None]:
        """Yields blocks; raises ChildDiedError."""
        ...


Borrow = Callable[[], AbstractContextManager[Reader]]
"""Lends a reader that is alive."""


class Readers(Protocol):
    """Child processes that are lent to whoever crawls. Thread-safe."""

    def borrow(self) -> AbstractContextManager[Reader]:
        """Lends a reader that may have read other WATs before."""
        ...

    def borrow_fresh(self) -> AbstractContextManager[Reader]:
        """Lends a reader that has done nothing yet."""
        ...

    def close(self) -> None:
        """Ends the readers."""
        ...


def crawl_in_children(order: CrawlOrder, borrow: Borrow, died: Callable[[], None]) -> Generator[Block | None]:
    """Yields the blocks of a WAT in order, each once, whatever its readers die of.

    None is yielded now and then while nothing comes. `died` is called at each death.
    """
    deaths: Counter[tuple[int, int]] = Counter()
    while True:
        try:
            with borrow() as reader:
                for block in reader.crawl(order):
                    if block is not None:
                        order = replace(order, after=block.place, skip_member=False)
                    yield block
                return
        except ChildDiedError as error:
            died()
            order = _after_death(order, error, deaths)


def _after_death(order: CrawlOrder, error: ChildDiedError, deaths: Counter[tuple[int, int]]) -> CrawlOrder:
    """Returns how to go on; notes the death."""
    held = error.held
    evidence = (held, -1 if held >= 0 else order.after.anchor)
    deaths[evidence] += 1
    convicted = deaths[evidence] >= STRIKES
    if held >= 0:
        suspects, crashed = order.suspects | {held}, order.crashed
        return replace(order, suspects=suspects, crashed=crashed | {held} if convicted else crashed)
    if not convicted:
        return replace(order, careful=True)  # so that the next death says which member it was
    if held == READING or order.after.plain or order.skip_member:
        raise RetriableError(f"reading {order.wat} kills its reader: {error}") from error
    return replace(order, careful=True, skip_member=True)
