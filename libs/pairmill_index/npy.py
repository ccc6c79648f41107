"""`.npy` files that are written row by row, before their number of rows is known."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

_HEADER_BYTES: Final = 128


def npy_header(descr: str, shape: tuple[int, ...]) -> bytes:
    """Returns a header of 128 bytes for an array in C order, whatever its shape (numpy's format 1.0)."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    start = b"\x93NUMPY\x01\x00" + (_HEADER_BYTES - 10).to_bytes(2, "little")
    return start + text.ljust(_HEADER_BYTES - len(start) - 1) + b"\n"


class NpyWriter:
    """Writes the rows of an array; the header is put in front when all have come. Not thread-safe."""

    def __init__(self, path: Path, descr: str) -> None:
        self._file = path.open("wb")
        self._descr = descr
        self._file.write(bytes(_HEADER_BYTES))

    def write(self, data: bytes | memoryview) -> None:
        """Appends bytes of rows."""
        self._file.write(data)

    def append_file(self, path: Path) -> None:
        """Appends the bytes of a file."""
        with path.open("rb") as source:
            shutil.copyfileobj(source, self._file, 1 << 20)

    def close(self, shape: tuple[int, ...]) -> None:
        """Ends the file with the shape of all that was written."""
        self._file.seek(0)
        self._file.write(npy_header(self._descr, shape))
        self._file.close()
