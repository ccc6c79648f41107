"""Memory that samples are read into and written from, used again and again.

Fresh memory costs more than what is copied into it: the system clears each page and maps it at first touch.
"""

from __future__ import annotations

from collections import deque
from typing import Final

_FIRST_BYTES: Final = 1 << 20
_KEPT_BYTES: Final = 1 << 24
"""Larger ones are given up after use."""


class Space:
    """Bytes one behind the other. For one thread at a time."""

    def __init__(self) -> None:
        self._memory = bytearray(_FIRST_BYTES)
        self.used = 0

    @property
    def size(self) -> int:
        """Bytes of memory that it holds."""
        return len(self._memory)

    @property
    def filled(self) -> memoryview:
        """What was taken so far; good until room is asked for or it is cleared."""
        return memoryview(self._memory)[: self.used]

    def room(self, length: int) -> memoryview:
        """Returns the `length` bytes behind those taken, to be written; an earlier room is good no more."""
        end = self.used + length
        if end > len(self._memory):
            larger = bytearray(max(end, 2 * len(self._memory)))
            larger[: self.used] = self.filled
            self._memory = larger
        return memoryview(self._memory)[self.used : end]

    def take(self, length: int) -> int:
        """Takes the first bytes of the room; returns where they begin."""
        start = self.used
        self.used += length
        return start

    def clear(self) -> None:
        """Forgets what was taken."""
        self.used = 0


class Spaces:
    """Spaces to be lent. Thread-safe."""

    def __init__(self) -> None:
        self._free: deque[Space] = deque()  # its ends are taken and given atomically

    def lend(self) -> Space:
        """Returns an empty space."""
        try:
            return self._free.pop()
        except IndexError:
            return Space()

    def give_back(self, space: Space) -> None:
        """Takes a space that nobody looks at any more."""
        if space.size <= _KEPT_BYTES:
            space.clear()
            self._free.append(space)
