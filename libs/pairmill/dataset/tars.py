"""The members of a WebDataset tar by their headers, without reading what they hold."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BLOCK: Final = 512
IMAGE_EXTENSIONS: Final = frozenset({"jpg", "png", "webp"})

_REGULAR = (b"0", b"\0")
_EMPTY = bytes(BLOCK)


class BadTarError(ValueError):
    """The bytes are no tar of plain files; says where."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file in a tar: `<key>.<extension>`, its bytes at `offset` with `size`."""

    name: str
    offset: int
    size: int

    @property
    def key(self) -> str:
        """What the files of one sample share: the name up to the first dot."""
        return self.name.partition(".")[0]

    @property
    def extension(self) -> str:
        """What follows the first dot."""
        return self.name.partition(".")[2]


def members(path: Path) -> Iterator[Member]:
    """Yields the members of a tar in their order; raises BadTarError where it is none."""
    if not path.stat().st_size:
        raise BadTarError("the file is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = 0
        while (header := data[place : place + BLOCK]) != _EMPTY:
            member = parse_header(header, place)
            place = member.offset + -(-member.size // BLOCK) * BLOCK
            if place + BLOCK > len(data):
                raise BadTarError(f"the tar ends within {member.name}")
            yield member
        if any(data[place : place + 2 * BLOCK]) or len(data) < place + 2 * BLOCK:
            raise BadTarError("the tar does not end with two empty blocks")


def parse_header(header: bytes, place: int) -> Member:
    """Returns the member whose header stands at `place`; raises BadTarError if it is damaged."""
    if len(header) < BLOCK:
        raise BadTarError(f"the tar ends at byte {place:,}")
    try:
        stated = int(header[148:156].strip(b" \0") or b"0", 8)
        size = int(header[124:136].strip(b" \0") or b"0", 8)
        name = header[:100].rstrip(b"\0").decode()
        prefix = header[345:500].rstrip(b"\0").decode()
    except ValueError as error:
        raise BadTarError(f"there is no tar header at byte {place:,}") from error
    if stated != _sum(header) - sum(header[148:156]) + 8 * 32:
        raise BadTarError(f"the tar header at byte {place:,} is damaged")
    if header[156:157] not in _REGULAR:
        raise BadTarError(f"{name} at byte {place:,} is no plain file")
    return Member(f"{prefix}/{name}" if prefix else name, place + BLOCK, size)


def _sum(header: bytes) -> int:
    """Returns the sum of a header's bytes; Adler-32's first half holds that of 256 bytes exactly."""
    half = BLOCK // 2
    return (zlib.adler32(header[:half]) & 0xFFFF) + (zlib.adler32(header[half:BLOCK]) & 0xFFFF) - 2


def is_image(data: bytes, extension: str) -> bool:
    """Returns whether bytes start as an image of this format does."""
    match extension:
        case "jpg":
            return data.startswith(b"\xff\xd8\xff")
        case "png":
            return data.startswith(b"\x89PNG\r\n\x1a\n")
        case "webp":
            return data[:4] == b"RIFF" and data[8:12] == b"WEBP"
        case _:
            return False
