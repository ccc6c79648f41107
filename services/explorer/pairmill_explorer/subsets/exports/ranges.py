"""Parts of stored objects, read by many threads at once."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, Protocol

from pairmill.closing import Closing
from pairmill.errors import ObjectMissingError
from pairmill.store.disk import disk_errors
from pairmill.store.keys import check_key
from pairmill.store.local import folder_of
from pairmill.store.port import ObjectStore

_MOST_OPEN: Final = 256


class Ranges(Protocol):
    """Reads ranges of objects. Thread-safe."""

    def read(self, key: str, start: int, length: int) -> bytes:
        """Returns `length` bytes from `start`, fewer at the end; raises ObjectMissingError."""
        ...

    def read_into(self, key: str, start: int, room: memoryview) -> int:
        """Fills room with bytes from `start` and returns how many there are, fewer at the end."""
        ...

    def close(self) -> None:
        """Lets go of what is open."""
        ...


class StoreRanges:
    """Ranges by requests to a store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def read(self, key: str, start: int, length: int) -> bytes:
        """Returns a range by one request."""
        return self._store.get_range(key, start, length)

    def read_into(self, key: str, start: int, room: memoryview) -> int:
        """Copies what one request brings."""
        data = self._store.get_range(key, start, len(room))
        room[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Nothing is held open."""


class FolderRanges(Closing):
    """Ranges of files that stay open, the last used ones."""

    def __init__(self, folder: Path, most_open: int = _MOST_OPEN) -> None:
        self._folder = folder
        self._most_open = most_open
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _File] = OrderedDict()

    def read(self, key: str, start: int, length: int) -> bytes:
        """Returns a range by one system call."""
        file = self._file(key)
        with disk_errors("DIR"):
            return os.pread(file.number, length, start)

    def read_into(self, key: str, start: int, room: memoryview) -> int:
        """Reads by one system call, without memory of its own."""
        file = self._file(key)
        with disk_errors("DIR"):
            return os.preadv(file.number, [room], start)

    def close(self) -> None:
        """Closes the files once their last reader is done."""
        with self._lock:
            self._open.clear()

    def _file(self, key: str) -> _File:
        with self._lock:
            file = self._open.get(key)
            if file is not None:
                self._open.move_to_end(key)
                return file
        check_key(key)
        file = _File(self._folder / key, key)
        with self._lock:
            self._open[key] = file
            while len(self._open) > self._most_open:
                self._open.popitem(last=False)
        return file


class _File:
    """An open file, closed when nobody refers to it any more: a reader may still be at it."""

    def __init__(self, path: Path, key: str) -> None:
        try:
            with disk_errors("DIR"):
                self.number = os.open(path, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError) as error:
            self.number = -1
            raise ObjectMissingError(f"there is no object {key}") from error
        if hasattr(os, "posix_fadvise"):  # reading ahead would fetch half as much again for nothing
            os.posix_fadvise(self.number, 0, 0, os.POSIX_FADV_RANDOM)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)


def ranges_of(store: ObjectStore) -> FolderRanges | StoreRanges:
    """Returns how ranges of a store's objects are read best."""
    folder = folder_of(store)
    return FolderRanges(folder) if folder is not None else StoreRanges(store)
