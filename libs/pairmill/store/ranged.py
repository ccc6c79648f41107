"""A stored object as a file, for readers that need only parts of it."""

from __future__ import annotations

import io

from pairmill.store.port import ObjectStore


class RangedObject(io.RawIOBase):
    """A stored object as a seekable file that reads only what is asked for. Its bytes are not verified."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to an absolute or relative position and returns it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """Returns up to `size` bytes from the position, all that is left without one."""
        rest = max(0, self._size - self._position)
        length = rest if size is None or size < 0 else min(size, rest)
        data = self._store.get_range(self._key, self._position, length) if length else b""
        self._position += len(data)
        return data
