"""Framing of gzip streams: one member after the other, with caps, and onwards after a broken one.

A WAT from Common Crawl is a row of small members, one per record, so a member's offset names a record
and the next member is a safe place to go on after damage. Files that are one member or not compressed
at all are read as well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias, cast

from isal import isal_zlib

from pairmill_protos.common.v1.outcome_pb2 import Reason

MAGIC: Final = b"\x1f\x8b\x08"
RECORD_START: Final = b"WARC/"

_GZIP_WINDOW_BITS: Final = 31
_InflateError: Final = cast("type[Exception]", isal_zlib.error)  # the stubs have it as an instance
_SLICE_BYTES: Final = 1 << 16  # compressed bytes given to one call: what is left over is copied
_PIECE_BYTES: Final = 1 << 20
_HISTORY_BYTES: Final = 4 << 20  # compressed bytes of the current member kept to look for the next one
_PROBE_BYTES: Final = 4096


class Piece(NamedTuple):
    """Inflated bytes of one member, at most 1 MiB; most members are one piece."""

    data: bytes
    offset: int  # of the member in the source; of the data itself where nothing is compressed
    starts: bool  # first piece of its member
    ends: bool  # last piece of its member


class LostRange(NamedTuple):
    """Bytes of the source that gave nothing: `[start, end)`, one row of the crawl's books."""

    start: int
    end: int
    reason: Reason.ValueType
    detail: str


Stretch: TypeAlias = Piece | LostRange


@dataclass(frozen=True, slots=True, kw_only=True)
class InflateLimits:
    """When a member is a bomb: more than `bomb_bytes` in a row inflate more than `max_ratio` times."""

    max_ratio: float = 250.0  # real records reach 50, the format allows 1032
    bomb_bytes: int = 8 << 20


class GzipMembers:
    """Reads members from compressed chunks; memory is bounded whatever the input."""

    def __init__(self, chunks: Iterator[bytes], offset: int, limits: InflateLimits) -> None:
        self._input = _CompressedInput(chunks, offset)
        self._limits = limits

    def stretches(self, *, skip: Reason.ValueType | None = None) -> Iterator[Stretch]:
        """Yields pieces and lost ranges in order; a reason to `skip` the first member loses it."""
        source = self._input
        if skip is not None and source.available():
            yield from self._go_on_after(source.offset, skip, "the member was skipped")
        while source.available():
            start = source.offset
            source.forget()
            if not source.startswith(MAGIC):
                if source.is_padding():
                    return
                yield from self._go_on_after(start, *_without_header(source.peek(len(MAGIC))))
                continue
            member = _Member(source, self._limits)
            yield from member.pieces()
            if member.failure is not None:
                yield from self._go_on_after(start, *member.failure)

    def _go_on_after(self, start: int, reason: Reason.ValueType, detail: str) -> Iterator[LostRange]:
        """Moves to the next member that holds a record; what lies between is lost."""
        source = self._input
        source.rewind(start + 1)
        while source.seek_magic():
            if _probe(source.peek(_PROBE_BYTES)):
                if reason == Reason.REASON_TRUNCATED:  # it went on after all
                    reason, detail = Reason.REASON_CORRUPT_GZIP, "the member does not end"
                yield LostRange(start, source.offset, reason, detail)
                return
            source.advance(1)
        yield LostRange(start, source.offset, reason, detail)


class _Member:
    """One member: its pieces, then why it broke off, if it did."""

    def __init__(self, source: _CompressedInput, limits: InflateLimits) -> None:
        self._source = source
        self._limits = limits
        self._offset = source.offset
        self._inflater = isal_zlib.decompressobj(_GZIP_WINDOW_BITS)
        self._dense_bytes = 0
        self.failure: tuple[Reason.ValueType, str] | None = None

    def pieces(self) -> Iterator[Piece]:
        parts: list[bytes] = []
        size, consumed, first = 0, 0, True
        while True:
            part, used = self._inflate(_PIECE_BYTES - size)
            parts.append(part)
            size += len(part)
            consumed += used
            ended = self._inflater.eof
            if not ended and size < _PIECE_BYTES and self.failure is None:
                continue
            if ended or (size and self._may_show(first)):
                whole = parts[0] if len(parts) == 1 else b"".join(parts)
                yield Piece(whole, self._offset, first, ended)
            if ended or self.failure is not None or self._is_bomb(size, consumed):
                return
            parts, size, consumed, first = [], 0, 0, False

    def _may_show(self, first: bool) -> bool:
        """What came before damage is shown only of long members: of a short one nothing is certain."""
        return self.failure is None or self.failure[0] != Reason.REASON_CORRUPT_GZIP or not first

    def _inflate(self, most: int) -> tuple[bytes, int]:
        """Returns the next inflated bytes and how many compressed ones they took; notes failures."""
        source, inflater = self._source, self._inflater
        view = source.slice(_SLICE_BYTES)
        try:
            part = inflater.decompress(view, most)
        except _InflateError as error:
            self.failure = (Reason.REASON_CORRUPT_GZIP, str(error))
            return b"", 0
        left = len(inflater.unused_data) if inflater.eof else len(inflater.unconsumed_tail)
        used = len(view) - left
        source.advance(used)
        if not part and not used and not inflater.eof and not source.available():
            self.failure = (Reason.REASON_TRUNCATED, "the source ends within a gzip member")
        return part, used

    def _is_bomb(self, size: int, consumed: int) -> bool:
        dense = size > consumed * self._limits.max_ratio
        self._dense_bytes = self._dense_bytes + size if dense else 0
        if self._dense_bytes < self._limits.bomb_bytes:
            return False
        self.failure = (Reason.REASON_BOMB, f"inflates more than {self._limits.max_ratio:g} times")
        return True


class _CompressedInput:
    """Chunks of compressed bytes with a bounded memory of what was read."""

    def __init__(self, chunks: Iterator[bytes], offset: int) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._view = memoryview(self._chunk)
        self._chunk_offset = offset
        self._position = 0  # within the chunk
        self._history: deque[bytes] = deque()  # chunks before this one since `forget`
        self._history_bytes = 0

    @property
    def offset(self) -> int:
        """Offset in the source of the next byte."""
        return self._chunk_offset + self._position

    def available(self) -> bool:
        """Whether there is a next byte; reads on if need be."""
        return self._position < len(self._chunk) or self._next_chunk()

    def slice(self, most: int) -> memoryview:
        """Returns some of the next bytes, none at the end."""
        self.available()
        return self._view[self._position : self._position + most]

    def peek(self, size: int) -> memoryview:
        """Returns the next `size` bytes, fewer at the end."""
        self._gather(size)
        return self._view[self._position : self._position + size]

    def startswith(self, prefix: bytes) -> bool:
        """Whether the next bytes are these."""
        return self.peek(len(prefix)) == prefix

    def advance(self, size: int) -> None:
        """Steps over bytes that `slice` or `peek` has shown."""
        self._position += size

    def forget(self) -> None:
        """Frees what lies before this chunk: nothing will rewind there."""
        self._history.clear()
        self._history_bytes = 0

    def rewind(self, offset: int) -> None:
        """Steps back to an offset, or as far as memory goes; reads on if it lies ahead."""
        if offset < self._chunk_offset:
            self._chunk_offset -= self._history_bytes
            self._set_chunk(b"".join((*self._history, self._chunk)))
            self.forget()
        self._position = max(0, min(offset - self._chunk_offset, len(self._chunk)))

    def is_padding(self) -> bool:
        """Whether nothing but zero bytes follows; leaves the position at the end if so."""
        while self.available():
            if self._chunk[self._position :].strip(b"\0"):
                return False
            self._position = len(self._chunk)
        return True

    def seek_magic(self) -> bool:
        """Moves to the next gzip magic, or to the end."""
        while self.available():
            found = self._chunk.find(MAGIC, self._position)
            if found >= 0:
                self._position = found
                return True
            # a magic may straddle two chunks
            self._position = max(self._position, len(self._chunk) - len(MAGIC) + 1)
            self.forget()
            held = len(self._chunk) - self._position
            if not self._gather(held + 1):
                self._position = len(self._chunk)
        return False

    def _gather(self, size: int) -> bool:
        """Makes `size` bytes lie together in the chunk; returns whether there are so many."""
        while len(self._chunk) - self._position < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            head = self._chunk[: self._position]
            if head:
                self._remember(head)
            self._chunk_offset += self._position
            self._set_chunk(self._chunk[self._position :] + chunk)
            self._position = 0
        return True

    def _next_chunk(self) -> bool:
        for chunk in self._chunks:
            self._remember(self._chunk)
            self._chunk_offset += len(self._chunk)
            self._set_chunk(chunk)
            self._position = 0
            if chunk:
                return True
        return False

    def _set_chunk(self, chunk: bytes) -> None:
        self._chunk = chunk
        self._view = memoryview(chunk)

    def _remember(self, chunk: bytes) -> None:
        self._history.append(chunk)
        self._history_bytes += len(chunk)
        while self._history_bytes > _HISTORY_BYTES and len(self._history) > 1:
            self._history_bytes -= len(self._history.popleft())


def plain_pieces(chunks: Iterator[bytes], offset: int) -> Iterator[Piece]:
    """Yields the chunks of an uncompressed source as pieces."""
    for chunk in chunks:
        for start in range(0, len(chunk), _PIECE_BYTES):
            data = chunk[start : start + _PIECE_BYTES]
            yield Piece(data, offset, False, False)
            offset += len(data)


def looks_plain(head: bytes) -> bool:
    """Whether a source whose first bytes are `head` is an uncompressed WARC."""
    return not head.startswith(MAGIC) and RECORD_START in head


def _without_header(start: memoryview) -> tuple[Reason.ValueType, str]:
    if len(start) < len(MAGIC) and MAGIC.startswith(start):
        return Reason.REASON_TRUNCATED, "the source ends within a gzip header"
    return Reason.REASON_CORRUPT_GZIP, "no gzip header"


def _probe(head: memoryview) -> bool:
    """Whether a member that starts here holds a record."""
    try:
        start = isal_zlib.decompressobj(_GZIP_WINDOW_BITS).decompress(head, len(RECORD_START))
    except _InflateError:
        return False
    return bytes(start) == RECORD_START
