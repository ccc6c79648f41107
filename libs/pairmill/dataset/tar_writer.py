"""Tar files whose bytes are a function of their members alone."""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

_BLOCK: Final = tarfile.BLOCKSIZE
_END: Final = 2 * _BLOCK
_MODE: Final = 0o644
_CHECKSUM: Final = "crc32-"


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a member's bytes lie in the tar."""

    offset: int
    size: int


class TarWriter:
    """Writes members one after the other: fixed owner, mode and time, names as given, ustar headers."""

    def __init__(self, path: Path, *, checksums: bool = False) -> None:
        """With checksums each header holds one of its member, for those who read parts of the tar (G4).

        It stands as the owner's name, which readers of datasets do not look at.
        """
        self._checksums = checksums
        self._file: BinaryIO = path.open("wb")
        self._position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write(b"\0" * _END)
        self._write(b"\0" * (-self._position % tarfile.RECORDSIZE))
        self._file.close()

    def add(self, name: str, data: bytes) -> Placed:
        """Appends a member and returns where its bytes lie."""
        header = tarfile.TarInfo(name)
        header.size, header.mode = len(data), _MODE
        if self._checksums:
            header.uname = _checksum(data)
        self._write(header.tobuf(format=tarfile.USTAR_FORMAT))
        placed = Placed(self._position, len(data))
        self._write(data + b"\0" * (-len(data) % _BLOCK))
        return placed

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)


def is_intact(header: tarfile.TarInfo, data: bytes) -> bool:
    """Whether a member's bytes have the checksum that its header holds; True where it holds none."""
    return not header.uname.startswith(_CHECKSUM) or header.uname == _checksum(data)


def _checksum(data: bytes) -> str:
    return f"{_CHECKSUM}{zlib.crc32(data):08x}"
