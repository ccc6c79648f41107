"""WARC records out of inflated pieces, whatever the state of their headers.

Two things mark where a record starts: its predecessor's Content-Length, and the words `WARC/1.0` at the
start of a line or member. Where they disagree the second wins, so that one wrong length costs one record
and never mixes two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from pairmill_crawler.gzip_members import RECORD_START, LostRange, Piece
from pairmill_protos.common.v1.outcome_pb2 import Reason

_MAX_HEADER_BYTES: Final = 1 << 16
_MAX_LENGTH_DIGITS: Final = 15
_FIELD: Final = re.compile(
    rb"^(content-length|content-type|warc-target-uri)[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_START: Final = re.compile(rb"WARC/[0-9]+\.[0-9]+[ \t]*\r?\n")
_LINE_START: Final = b"\n" + RECORD_START
_START_BYTES: Final = 64  # a start that is not complete within so many bytes is none
_SEPARATORS: Final = re.compile(rb"[\r\n]*")
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")


class WarcRecord(NamedTuple):
    """A record whose header could be read."""

    offset: int  # see RecordReader
    payload: bytes
    is_json: bool
    target_uri: str  # without angle brackets; empty if there is none


class Damage(NamedTuple):
    """A record or stretch of bytes that could not be read: one row of the crawl's books."""

    offset: int
    reason: Reason.ValueType
    detail: str


WarcEvent: TypeAlias = WarcRecord | Damage


class Header(NamedTuple):
    """What is needed of a record's header."""

    end: int  # where the payload begins
    length: int
    is_json: bool
    target_uri: str


@dataclass(frozen=True, slots=True)
class _Problem:
    reason: Reason.ValueType
    detail: str


class RecordReader:
    """Turns pieces and lost ranges into records and damages, in order.

    Offsets of events strictly increase: the offset of the member that a record starts in, or of the
    record itself in an uncompressed source; where several records share a member, each after the first
    has the offset of the one before plus one.
    """

    def __init__(self, *, max_record_bytes: int, plain: bool, last_offset: int = -1) -> None:
        self._max_record_bytes = max_record_bytes
        self._plain = plain
        self._last_offset = last_offset
        self._parts: list[bytes] = []  # unread bytes of earlier pieces
        self._held = 0
        self._origin = 0  # of the first byte held: its own offset, or its member's
        self._need = 0  # no use to look before so many bytes are held
        self._scanning = False  # nothing counts before the next start of a record
        self.anchor = 0  # offset in the source at which reading can begin anew
        self.since_anchor = 0  # events since then
        self.before_anchor = last_offset  # offset of the latest event before it

    @property
    def last_offset(self) -> int:
        """Offset of the latest event."""
        return self._last_offset

    def begin_at(self, offset: int) -> None:
        """Says where in the source the first piece will be from."""
        self._anchor_at(offset)

    def feed(self, piece: Piece) -> Iterator[WarcEvent]:
        """Yields the events that a piece completes."""
        if piece.starts and (self._held or self._scanning) and piece.data.startswith(RECORD_START):
            yield from self.finish()
        if not self._held:
            self._origin = piece.offset
            if piece.starts and not self._scanning:
                self._anchor_at(piece.offset)
        if self._held + len(piece.data) < self._need or self._parts:
            self._hold(piece.data)
            if self._held < self._need:
                return
            yield from self._read(self._take(), at_end=piece.ends)
        else:
            yield from self._read(piece.data, at_end=piece.ends)

    def lose(self, lost: LostRange) -> Iterator[WarcEvent]:
        """Yields the damage of a lost range; a record that was incomplete before it is part of it."""
        self._take()
        self._scanning = False
        if lost.start != self.anchor:
            self._anchor_at(lost.start)
        detail = f"{lost.detail}; bytes {lost.start} to {lost.end} are lost"
        yield self._damaged(lost.start, _Problem(lost.reason, detail))
        self._anchor_at(lost.end)

    def finish(self) -> Iterator[WarcEvent]:
        """Yields what is left when no more bytes follow: an incomplete record, records within it."""
        while self._held and not self._scanning:
            data = self._take()
            if not data.strip(b"\r\n\0 "):
                break
            yield from self._read(data, at_end=True)
            if self._held and not self._scanning:
                rest = self._take()
                reason = Reason.REASON_TRUNCATED if self._plain else Reason.REASON_BAD_RECORD
                detail = f"the record ends early; {len(rest)} bytes of it are there"
                yield self._damaged(self._origin, _Problem(reason, detail))
                inner = _find_start(rest, 0, len(rest))
                if inner is not None:
                    self._hold_from(rest, inner)
        self._take()
        self._scanning = False

    def _read(self, data: bytes, *, at_end: bool) -> Iterator[WarcEvent]:
        """Yields the records of `data`, whose first byte has offset `_origin`; holds what is incomplete.

        `at_end` says that a member ends with it, so that a record may do so too.
        """
        position = 0
        while True:
            if self._scanning:
                found = _find_start(data, position, len(data))
                if found is None:
                    self._hold_from(data, max(position, len(data) - _START_BYTES))
                    return
                position, self._scanning = found, False
            position = _after_separators(data, position)
            if position == len(data):
                return
            if self._plain:
                self._anchor_at(self._origin + position)
            step = self._read_one(data, position, at_end)
            if isinstance(step, int):
                self._hold_from(data, position)
                self._need = step
                return
            event, position, self._scanning = step
            yield event

    def _read_one(self, data: bytes, position: int, at_end: bool) -> tuple[WarcEvent, int, bool] | int:
        """Returns the event at `position`, where to go on, and whether to scan from there.

        Or else how many bytes from `position` are needed to tell.
        """
        offset = self._origin + position if self._plain else self._origin
        header = parse_header(data, position)
        if header is None:
            return len(data) - position + 1
        if isinstance(header, str):
            return self._damaged(offset, _Problem(Reason.REASON_BAD_RECORD, header)), position + 1, True
        if header.length > self._max_record_bytes:
            problem = _Problem(Reason.REASON_RECORD_TOO_LARGE, f"{header.length} bytes")
            return self._damaged(offset, problem), header.end, True
        end = header.end + header.length
        if end > len(data):
            return end - position + len(RECORD_START)
        follows = _what_follows(data, end, at_end)
        if follows is None:
            return len(data) - position + len(RECORD_START)
        if header.is_json or not follows:
            # no line of a JSON text begins a record: the length is too large
            inner = _find_start(data, header.end, end)
            if inner is not None:
                detail = "its Content-Length reaches into the next record"
                problem = _Problem(Reason.REASON_BAD_RECORD, detail)
                return self._damaged(offset, problem), inner, False
        record = WarcRecord(offset, data[header.end : end], header.is_json, header.target_uri)
        return self._counted(record), end, not follows

    def _damaged(self, offset: int, problem: _Problem) -> WarcEvent:
        return self._counted(Damage(offset, problem.reason, problem.detail))

    def _counted(self, event: WarcEvent) -> WarcEvent:
        self.since_anchor += 1
        if event.offset <= self._last_offset:
            event = event._replace(offset=self._last_offset + 1)
        self._last_offset = event.offset
        return event

    def _anchor_at(self, offset: int) -> None:
        self.anchor, self.since_anchor, self.before_anchor = offset, 0, self._last_offset

    def _hold(self, data: bytes) -> None:
        self._parts.append(data)
        self._held += len(data)

    def _hold_from(self, data: bytes, position: int) -> None:
        """Holds the rest of what `_read` or `finish` was given."""
        if self._plain:
            self._origin += position
        self._need = 0
        if position < len(data):
            self._hold(data[position:])

    def _take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts, self._held, self._need = [], 0, 0
        return data


def parse_header(data: bytes, position: int) -> Header | str | None:
    """Returns the header at `position`, what is wrong with it, or None if it is incomplete.

    Lines end in CR LF or LF, folded lines belong to the one before, names are compared without case.
    Anything but one unambiguous Content-Length is wrong.
    """
    if not data.startswith(RECORD_START, position):
        rest = data[position : position + len(RECORD_START)]
        return None if RECORD_START.startswith(rest) else "it does not begin with WARC/"
    limit = position + _MAX_HEADER_BYTES
    end = data.find(b"\r\n\r\n", position, limit)
    bare = data.find(b"\n\n", position, end if end >= 0 else limit)
    if end < 0 and bare < 0:
        return None if len(data) < limit else f"its header exceeds {_MAX_HEADER_BYTES} bytes"
    stop, size = (bare, 2) if bare >= 0 else (end, 4)
    fields: dict[bytes, set[bytes]] = {}
    for name, value in _FIELD.findall(data, position, stop):
        fields.setdefault(name.lower(), set()).add(_FOLD.sub(b" ", value).strip())
    lengths = fields.get(b"content-length", set())
    if len(lengths) != 1:
        return "it has no Content-Length" if not lengths else "it has different Content-Lengths"
    length = lengths.pop()
    if not length.isdigit() or len(length) > _MAX_LENGTH_DIGITS:
        return f"its Content-Length is {length[:40].decode(errors='replace')!r}"
    is_json = any(value.lower().startswith(b"application/json") for value in fields.get(b"content-type", ()))
    target = min(fields.get(b"warc-target-uri", (b"",)))
    return Header(stop + size, int(length), is_json, target.decode(errors="replace").strip("<> "))


def _find_start(data: bytes, position: int, end: int) -> int | None:
    """Returns where between two positions a line begins that starts a record."""
    while True:
        found = data.find(_LINE_START, position, end + len(RECORD_START)) + 1
        if not found or found >= end:
            return None
        if _START.match(data, found):
            return found
        position = found


def _after_separators(data: bytes, position: int) -> int:
    found = _SEPARATORS.match(data, position)
    return found.end() if found else position


def _what_follows(data: bytes, end: int, at_end: bool) -> bool | None:
    """Whether a record that ends at `end` is followed by a record or the end; None if that is open."""
    if data.startswith(b"\r\n\r\n", end):
        follows = end + 4
        if follows == len(data) and at_end:
            return True
    follows = _after_separators(data, end)
    rest = data[follows : follows + len(RECORD_START)]
    if len(rest) < len(RECORD_START) and RECORD_START.startswith(rest):
        return True if at_end else None
    return rest == RECORD_START
