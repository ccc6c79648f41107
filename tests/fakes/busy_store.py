"""Stores without locks, on which another process acts at a bad moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pairmill.store.conditional import ReplacedError
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectInfo
from pairmill_index.layout import CURRENT
from tests.fakes.dying_store import DyingStore, die


class BusyStore(DyingStore):
    """A store without locks, on which another process acts once: before a write, or at a look at a file."""

    def __init__(
        self, folder: Path, act: Callable[[], object], *, before_write: int = -1, at_stat: str = "/"
    ) -> None:
        super().__init__(DirectoryStore(folder), dies_after=before_write, dies=lambda: self.act())
        self._act = act
        self._at_stat = at_stat if before_write < 0 else ""
        self.acted = 0

    def act(self) -> None:
        self.acted += 1
        self._act()

    def stat(self, key: str) -> ObjectInfo | None:
        found = super().stat(key)
        if self._at_stat and self._at_stat in key and not self.acted:
            self.act()
        return found


class ConditionalStore(BusyStore):
    """A store that writes on conditions; another process acts right before the first such write."""

    @property
    def conditional(self) -> ConditionalStore:
        return self

    def mark(self, key: str) -> str:
        found = self.stat(key)
        return found.sha256.hex() if found is not None else ""

    def put_over(self, mark: str, key: str, data: bytes) -> ObjectInfo:
        if not self.acted:
            self.act()
        if self.mark(key) != mark:
            raise ReplacedError(f"{key} was replaced")
        return self.put(key, data)


class OverwrittenStore(BusyStore):
    """A store without conditions, on which another replaces `current.json` right after it was written."""

    def put(self, key: str, data: bytes) -> ObjectInfo:
        info = super().put(key, data)
        if key == CURRENT and not self.acted:
            self.act()
        return info


class FatalStore(ConditionalStore):
    """One who loses on it dies before one of his writes."""

    def __init__(self, folder: Path, act: Callable[[], object], *, dies_after: int) -> None:
        super().__init__(folder, act, at_stat="nothing")
        self._dies_after, self._dies = dies_after, die
