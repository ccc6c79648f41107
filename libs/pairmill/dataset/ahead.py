"""Reads a dataset's files before they are asked for, several at once: in a bucket each one is a wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.source import DatasetFiles

THREADS: Final = 4
"""Files that are fetched at once; a store has connections for twice as many."""

_MOST_FILES: Final = 2 * THREADS
_MOST_BYTES: Final = 1 << 30


@dataclass(slots=True)
class _Fetched:
    """A file that is here before its time, or on its way."""

    entry: FileEntry
    local: Future[Path]
    held: ExitStack  # removes the copy


class FilesAhead:
    """Another source, whose next files are fetched by threads. Asked by one thread; a context manager.

    What is ahead is bounded in files and bytes. A file that is asked for out of turn is fetched then.
    """

    def __init__(
        self,
        behind: DatasetFiles,
        order: Iterable[FileEntry],
        *,
        most_files: int = _MOST_FILES,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """`order` is the one in which files are going to be asked for, more or less."""
        self._behind = behind
        self._order = iter(order)
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._waiting: FileEntry | None = None  # for room
        self._ahead: dict[str, _Fetched] = {}
        self._out_of_turn: set[str] = set()
        self._misses = 0  # in a row
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ahead")

    def __enter__(self) -> Self:
        """Begins to fetch."""
        self._fill()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends what is under way, and removes all copies."""
        self._pool.shutdown(cancel_futures=True)
        for path in list(self._ahead):
            self._drop(path)

    def __str__(self) -> str:
        """Returns where the files come from, for messages."""
        return str(self._behind)

    def size(self, path: str) -> int | None:
        """Passes on."""
        return self._behind.size(path)

    def read(self, path: str) -> bytes:
        """Passes on."""
        return self._behind.read(path)

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Passes on."""
        return self._behind.read_range(path, start, length)

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """Gives a file that was fetched before, or fetches it; raises what fetching it raised."""
        fetched = self._ahead.pop(path, None)  # what is in use is nobody's to give up
        if fetched is None:
            self._miss(path)
            with self._behind.local(path) as found:
                yield found
            return
        self._misses = 0
        try:
            yield fetched.local.result()
        finally:
            _give_back(fetched)
            self._fill()

    def _miss(self, path: str) -> None:
        """Notes a file that is fetched out of turn; after many in a row gives up what nobody asks for."""
        self._out_of_turn.add(path)
        self._misses += 1
        if self._misses > self._most_files:
            self._misses = 0
            for unasked in list(self._ahead):
                self._drop(unasked)
            self._fill()

    def _fill(self) -> None:
        while (entry := self._waiting or next(self._order, None)) is not None:
            self._waiting = None
            if entry.path in self._out_of_turn:
                self._out_of_turn.remove(entry.path)
            elif self._has_room(entry):
                held = ExitStack()
                local = self._pool.submit(held.enter_context, self._behind.local(entry.path))
                self._ahead[entry.path] = _Fetched(entry, local, held)
            else:
                self._waiting = entry
                return

    def _has_room(self, entry: FileEntry) -> bool:
        taken = sum(fetched.entry.bytes for fetched in self._ahead.values())
        fits = len(self._ahead) < self._most_files and taken + entry.bytes <= self._most_bytes
        return fits or not self._ahead

    def _drop(self, path: str) -> None:
        _give_back(self._ahead.pop(path))


def _give_back(fetched: _Fetched) -> None:
    if not fetched.local.cancel():
        fetched.local.exception()  # it ends first: what is not there yet cannot be removed
        fetched.held.close()
