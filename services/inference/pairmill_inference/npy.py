"""Writing `.npy` files row by row, in constant memory."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from pairmill.closing import Closing
from pairmill_inference.vectors import Halves

_MAGIC: Final = b"\x93NUMPY\x01\x00"
_HEADER_BYTES: Final = 128  # fixed, so that the number of rows can be filled in at the end


class HalfRows(Closing):
    """A `.npy` file of (rows, dim) little-endian float16 that grows by blocks. Not thread-safe.

    The file is valid only after `close`, which fills in the number of rows.
    """

    def __init__(self, path: Path, dimensions: int) -> None:
        self.path = path
        self.rows = 0
        self._dimensions = dimensions
        self._file = path.open("wb")
        self._file.write(bytes(_HEADER_BYTES))

    def append(self, block: Halves) -> None:
        """Adds (n, dim) float16 rows; raises ValueError for another shape."""
        if block.ndim != 2 or block.shape[1] != self._dimensions:
            raise ValueError(f"rows of {self._dimensions} numbers are wanted, got {block.shape}")
        self._file.write(block.astype("<f2", copy=False).tobytes())
        self.rows += len(block)

    def close(self) -> None:
        """Writes the header and closes the file; a second call does nothing."""
        if not self._file.closed:
            self._file.seek(0)
            self._file.write(_header(self.rows, self._dimensions))
            self._file.close()


def _header(rows: int, dimensions: int) -> bytes:
    """Returns the 128 bytes before the data, version 1.0 of the format."""
    shape = f"{{'descr': '<f2', 'fortran_order': False, 'shape': ({rows}, {dimensions}), }}"
    length = _HEADER_BYTES - len(_MAGIC) - 2
    return _MAGIC + struct.pack("<H", length) + shape.ljust(length - 1).encode() + b"\n"
