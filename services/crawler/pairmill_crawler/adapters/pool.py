"""Child processes that are lent to whoever crawls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pairmill_crawler.adapters.child import ChildSettings, CrawlChild
from pairmill_crawler.adapters.sources import Sources
from pairmill_crawler.config import CrawlerConfig
from pairmill_crawler.ports import Detectors


class ChildPool:
    """Lends children, fresh ones where none is idle; keeps up to `idle` of them. Thread-safe."""

    def __init__(self, settings: ChildSettings, *, idle: int) -> None:
        self._settings = settings
        self._most = idle
        self._lock = threading.Lock()
        self._idle: list[CrawlChild] = []

    @contextmanager
    def borrow(self) -> Iterator[CrawlChild]:
        """Lends a child; one that is not usable afterwards is ended."""
        child = self._take() or CrawlChild(self._settings)
        try:
            yield child
        finally:
            if not (child.is_usable and self._keep(child)):
                child.close()

    @contextmanager
    def borrow_fresh(self) -> Iterator[CrawlChild]:
        """Lends a child that has done nothing yet, and ends it afterwards."""
        child = CrawlChild(self._settings)
        try:
            yield child
        finally:
            child.close()

    def close(self) -> None:
        """Ends the idle children."""
        while child := self._take():
            child.close()

    def _take(self) -> CrawlChild | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _keep(self, child: CrawlChild) -> bool:
        with self._lock:
            if len(self._idle) >= self._most:
                return False
            self._idle.append(child)
            return True


def new_pool(config: CrawlerConfig, detectors: Detectors) -> ChildPool:
    """Returns a pool of children that read files and http(s) URLs."""
    settings = ChildSettings(
        open_source=Sources(config.source),
        detectors=detectors,
        stall_seconds=config.stall_seconds,
        memory_bytes=config.child_memory_bytes,
    )
    return ChildPool(settings, idle=config.idle_children)
