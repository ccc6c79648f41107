"""Samples as they stand in a tar: raw blocks of image, text and facts, copied without being looked into.

Nothing is decoded or encoded again. Each member is compared with the checksum that its header holds, the only
check that a part of a tar has (G4).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pairmill.dataset.tars import BLOCK, IMAGE_EXTENSIONS, BadTarError, Member, parse_header
from pairmill.errors import CorruptObjectError
from pairmill_explorer.subsets.exports.ranges import Ranges
from pairmill_explorer.subsets.exports.spaces import Space

TAIL_BYTES: Final = 7 * BLOCK
"""Read behind an image at once: nearly always room for its text and its facts."""

GAP_BYTES: Final = 64 * 1024
RUN_BYTES: Final = 4 * 2**20
"""What lies apart by less is read at once, up to so many bytes."""

_BESIDE: Final = frozenset({"txt", "json"})
_MEMBERS: Final = 1 + len(_BESIDE)
_CHECKSUM: Final = b"crc32-"
_NAME: Final = slice(265, 297)  # owner's name in a header


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
    """The blocks of one sample in the space that it was read into."""

    start: int
    length: int
    extension: str  # of the image, which comes first


def read_samples(
    ranges: Ranges, wanted: Sequence[Wanted], space: Space
) -> list[RawSample | CorruptObjectError]:
    """Reads samples into a space, one behind the other in the order asked for, and returns where they are.

    In the place of a damaged one stands what is wrong with it, and the space has nothing of it. A damaged
    sample is read once more before: bytes may have changed on their way.
    """
    joined = _joined(ranges, wanted)
    return [_read(ranges, one, space, joined.get(place)) for place, one in enumerate(wanted)]


def cut(data: memoryview, wanted: Wanted) -> tuple[int, str] | None:
    """Returns how long the sample at the beginning of data is, and its image's extension.

    None if more is needed; CorruptObjectError if it is damaged. A sample is its image, its text and its
    facts; what stands behind is not looked at.
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
    return place, found[0]


def _joined(ranges: Ranges, wanted: Sequence[Wanted]) -> dict[int, memoryview]:
    """Returns the bytes of samples that stand near each other, by their places, each run read at once."""
    found: dict[int, memoryview] = {}
    for run in _runs(wanted):
        if len(run) == 1:
            continue  # is read where it goes
        first, end = max(wanted[run[0]].start, 0), max(wanted[place].likely_end for place in run)
        data = memoryview(ranges.read(wanted[run[0]].shard, first, end - first))
        for place in run:
            one = wanted[place]
            found[place] = data[max(one.start, 0) - first : max(one.likely_end, 0) - first]
    return found


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


def _read(
    ranges: Ranges, wanted: Wanted, space: Space, data: memoryview | None
) -> RawSample | CorruptObjectError:
    """Puts a sample behind those before; `data` is its bytes where they were read with others."""
    if wanted.start < 0:
        return _damaged(wanted, "no header stands there")
    length, tries = wanted.likely_end - wanted.start, 2
    while True:
        room = space.room(length)
        there = _filled(ranges, wanted, room, data)
        try:
            found = cut(room[:there], wanted)
            if found is not None:
                return RawSample(space.take(found[0]), *found)
            if there < length and data is None:
                raise _damaged(wanted, "the tar ends there")
            length *= 2 if data is None else 1  # its text and facts may be long
        except CorruptObjectError as error:
            tries -= 1
            if not tries:
                return error
        data = None  # from here on by a request of its own


def _filled(ranges: Ranges, wanted: Wanted, room: memoryview, data: memoryview | None) -> int:
    if data is None:
        return ranges.read_into(wanted.shard, wanted.start, room)
    room[: len(data)] = data
    return len(data)


def _parsed(header: bytes, wanted: Wanted, place: int) -> Member:
    try:
        member = parse_header(header, place)
    except BadTarError as error:
        raise _damaged(wanted, str(error)) from error
    if not place and (member.key, member.size) != (wanted.key, wanted.size):
        raise _damaged(wanted, f"{member.name} stands there")
    return member


def _check(header: bytes, data: memoryview, member: Member, wanted: Wanted) -> None:
    stated = header[_NAME].rstrip(b"\0")
    if stated.startswith(_CHECKSUM) and stated != b"%s%08x" % (_CHECKSUM, zlib.crc32(data)):
        raise _damaged(wanted, f"{member.name} has other bytes by now")


def _damaged(wanted: Wanted, what: str) -> CorruptObjectError:
    return CorruptObjectError(f"{wanted.shard}: sample {wanted.key} at {wanted.offset:,}: {what}")


def _padded(size: int) -> int:
    return size + -size % BLOCK
