"""Readers of WATs that work in the calling process, where they may be told to die."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from pairmill_crawler.crawl import Block, CrawlOrder, crawl_wat
from pairmill_crawler.isolation import ChildDiedError, Reader
from pairmill_crawler.ports import Detectors, OpenSource

Kills = Callable[[int, CrawlOrder], bool]
"""Whether a reader dies while it holds something, under an order."""


def never(held: int, order: CrawlOrder) -> bool:
    """The reader lives."""
    del held, order
    return False


@dataclass
class LocalReaders:
    """Crawls in this process and dies whenever `kills` says so of what it holds."""

    open_source: OpenSource
    detectors: Detectors
    kills: Kills = never
    orders: list[CrawlOrder] = field(default_factory=list)
    fresh: int = 0

    def crawl(self, order: CrawlOrder) -> Iterator[Block | None]:
        self.orders.append(order)
        try:
            yield from crawl_wat(order, self.open_source, self.detectors, _Doomed(order, self.kills))
        except _Death as death:
            raise ChildDiedError(death.held, "killed") from None

    def borrow(self) -> AbstractContextManager[Reader]:
        return nullcontext(self)

    def borrow_fresh(self) -> AbstractContextManager[Reader]:
        self.fresh += 1
        return nullcontext(self)

    def close(self) -> None:
        pass


class _Death(BaseException):
    def __init__(self, held: int) -> None:
        super().__init__()
        self.held = held


@dataclass
class _Doomed:
    order: CrawlOrder
    kills: Kills

    def hold(self, what: int) -> None:
        if self.kills(what, self.order):
            raise _Death(what)
