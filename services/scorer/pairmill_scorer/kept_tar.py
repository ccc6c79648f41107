"""The tar of the samples that pass, cut out of a shard's tar without touching their bytes (U11)."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Set
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from pairmill.errors import InvalidRecordError

_COPY_BYTES: Final = 2**20


def cut_tar(
    source: Path, target: Path, keys: Set[str], after_sample: Callable[[], None] = lambda: None
) -> dict[int, int]:
    """Copies all members of the samples named in `keys`, in their order, into a new tar.

    Returns where the bytes of each copied member now start, by where they started in `source`. The
    result is a function of source and keys. `after_sample` is called for every member and may raise to
    end the work. Raises InvalidRecordError for anything but plain members.
    """
    moved: dict[int, int] = {}
    with source.open("rb") as reader, target.open("wb") as writer:
        for member in _members(reader):
            after_sample()
            if PurePosixPath(member.name).name.partition(".")[0] not in keys:
                continue
            moved[member.offset_data] = writer.tell() + tarfile.BLOCKSIZE
            reader.seek(member.offset)
            _copy(reader, writer, tarfile.BLOCKSIZE + _padded(member.size))
        end = writer.tell() + 2 * tarfile.BLOCKSIZE
        writer.write(bytes(2 * tarfile.BLOCKSIZE + -end % tarfile.RECORDSIZE))
    return moved


def _members(reader: BinaryIO) -> Iterator[tarfile.TarInfo]:
    """Yields the headers of a tar; the reader may be moved in between."""
    offset = 0
    while True:
        reader.seek(offset)
        header = reader.read(tarfile.BLOCKSIZE)
        if not header.strip(b"\0"):
            return
        try:
            member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.TarError as error:
            raise InvalidRecordError(f"the shard's tar is damaged at {offset}: {error}") from error
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise InvalidRecordError(f"{member.name} is no plain member")
        member.offset, member.offset_data = offset, offset + tarfile.BLOCKSIZE
        yield member
        offset = member.offset_data + _padded(member.size)


def _padded(size: int) -> int:
    return size + -size % tarfile.BLOCKSIZE


def _copy(reader: BinaryIO, writer: BinaryIO, size: int) -> None:
    while size:
        data = reader.read(min(size, _COPY_BYTES))
        if not data:
            raise InvalidRecordError("the shard's tar ends within a member")
        writer.write(data)
        size -= len(data)
