"""Stored images on scratch disk until the shard is written, so that memory does not grow with a unit."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Place:
    """Where bytes lie in a spill."""

    offset: int
    size: int


class ImageSpill:
    """A file that images are appended to as they come. Appended to by one thread, read by any."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb+", buffering=0)
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, data: bytes) -> Place:
        """Writes bytes at the end and returns where; raises OSError if the disk is full."""
        view = memoryview(data)
        written = 0
        while written < len(view):
            written += os.pwrite(self._file.fileno(), view[written:], self._end + written)
        place = Place(self._end, len(data))
        self._end += len(data)
        return place

    def read(self, place: Place) -> bytes:
        """Returns the bytes of a place."""
        return os.pread(self._file.fileno(), place.size, place.offset)
