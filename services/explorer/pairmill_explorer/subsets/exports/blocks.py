"""Samples as they stand in a tar: raw blocks of image, text and facts, copied without being looked into.

Nothing is decoded or encoded again. Each member is compared with the checksum that its header holds, the only
check that a part of a tar has (G4).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from pairmill.dataset.tars import BLOCK, IMAGE_EXTENSIONS, BadTarError, Member, parse_header
from pairmill.errors import CorruptObjectError
from pairmill_explorer.subsets.exports.ranges import Ranges

TAIL_BYTES: Final = 7 * BLOCK
"""Read behind an image at once: nearly always room for its text and its facts."""

GAP_BYTES: Final = 64 * 1024
RUN_BYTES: Final = 4 * 2**20
"""What lies apart by less is read at once, up to so many bytes."""

_BESIDE: Final = frozenset({"txt", "json"})
_MEMBERS: Final = 1 + len(_BESIDE)
_CHECKSUM: Final = b"crc32-"
_NAME: Final = slice(265, 297)  # owner's name in a header

Buffer: TypeAlias = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the image of a sample stands."""

    key: str  # id, hex
    shard: str
    offset: int
    size: int

    @property
    def start(self) -> int:
        """Where its first header stands."""
        return self.offset - BLOCK

    @property
    def likely_end(self) -> int:
        """Where all of it has been read, nearly always."""
        return self.offset + _padded(self.size) + TAIL_BYTES


@dataclass(frozen=True, slots=True)
class RawSample:
    """The blocks of one sample."""

    data: Buffer
    extension: str  # of the image, which comes first


def read_samples(ranges: Ranges, wanted: Sequence[Wanted]) -> list[RawSample | CorruptObjectError]:
    """Returns samples in the order asked for; in the place of a damaged one, what is wrong with it.

    A damaged sample is read once more before: bytes may have changed on their way.
    """
    found: dict[int, RawSample | CorruptObjectError] = {}
    for run in _runs(wanted):
        first, end = wanted[run[0]].start, max(wanted[place].likely_end for place in run)
        data = memoryview(ranges.read(wanted[run[0]].shard, max(first, 0), end - max(first, 0)))
        for place in run:
            one = wanted[place]
            found[place] = _cut_or_read(ranges, one, data[one.start - first : one.likely_end - first])
    return [found[place] for place in range(len(wanted))]


def cut(data: Buffer, wanted: Wanted) -> RawSample | None:
    """Returns the sample at the beginning of data, None if more is needed; CorruptObjectError if damaged.

    A sample is its image, its text and its facts; what stands behind is not looked at.
    """
    place, found = 0, list[str]()
    while len(found) < _MEMBERS:
        header = bytes(data[place : place + BLOCK])
        if len(header) < BLOCK:
            return None
        member = _parsed(header, wanted, place)
        if member.key != wanted.key:
            raise _damaged(wanted, f"{member.name} stands among its members")
        end = member.offset + _padded(member.size)
        if end > len(data):
            return None
        _check(header, data[member.offset : member.offset + member.size], member, wanted)
        found.append(member.extension)
        place = end
    if found[0] not in IMAGE_EXTENSIONS or set(found[1:]) != _BESIDE:
        raise _damaged(wanted, f"its members are {', '.join(found)}")
    return RawSample(data[:place], found[0])


def _runs(wanted: Sequence[Wanted]) -> Iterator[list[int]]:
    """Yields places of samples that stand near each other, to be read at once."""
    order = sorted(range(len(wanted)), key=lambda place: (wanted[place].shard, wanted[place].offset))
    run: list[int] = []
    for place in order:
        one = wanted[place]
        if run and not _joins(wanted[run[0]], wanted[run[-1]], one):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _joins(first: Wanted, last: Wanted, one: Wanted) -> bool:
    near = one.start - last.likely_end <= GAP_BYTES
    return one.shard == first.shard and near and one.likely_end - first.start <= RUN_BYTES


def _cut_or_read(ranges: Ranges, wanted: Wanted, data: Buffer) -> RawSample | CorruptObjectError:
    if wanted.start < 0:
        return _damaged(wanted, "no header stands there")
    try:
        found = cut(data, wanted)
        if found is not None:
            return found
    except CorruptObjectError:
        pass  # once more, by a request of its own
    try:
        return _read_alone(ranges, wanted)
    except CorruptObjectError as error:
        return error


def _read_alone(ranges: Ranges, wanted: Wanted) -> RawSample:
    """Reads a sample whose text and facts may be long."""
    length = wanted.likely_end - wanted.start
    while True:
        data = ranges.read(wanted.shard, wanted.start, length)
        found = cut(data, wanted)
        if found is not None:
            return found
        if len(data) < length:
            raise _damaged(wanted, "the tar ends there")
        length *= 2


def _parsed(header: bytes, wanted: Wanted, place: int) -> Member:
    try:
        member = parse_header(header, place)
    except BadTarError as error:
        raise _damaged(wanted, str(error)) from error
    if not place and (member.key, member.size) != (wanted.key, wanted.size):
        raise _damaged(wanted, f"{member.name} stands there")
    return member


def _check(header: bytes, data: Buffer, member: Member, wanted: Wanted) -> None:
    stated = header[_NAME].rstrip(b"\0")
    if stated.startswith(_CHECKSUM) and stated != b"%s%08x" % (_CHECKSUM, zlib.crc32(data)):
        raise _damaged(wanted, f"{member.name} has other bytes by now")


def _damaged(wanted: Wanted, what: str) -> CorruptObjectError:
    return CorruptObjectError(f"{wanted.shard}: sample {wanted.key} at {wanted.offset:,}: {what}")


def _padded(size: int) -> int:
    return size + -size % BLOCK
