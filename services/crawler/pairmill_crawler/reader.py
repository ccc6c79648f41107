"""Reading a WAT: from its bytes to WARC events, with places at which reading can begin anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from pairmill_crawler.gzip_members import GzipMembers, InflateLimits, LostRange, looks_plain, plain_pieces
from pairmill_crawler.warc import Damage, RecordReader, WarcEvent
from pairmill_protos.common.v1.outcome_pb2 import Reason

_HEAD_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place between two events of a WAT."""

    anchor: int = 0  # offset in the source to read from
    events: int = 0  # events after the anchor that lie before the place
    before_anchor: int = -1  # offset of the latest event before the anchor
    plain: bool | None = None  # whether the source is uncompressed, None where nothing was read yet


class WatReader:
    """The events of a WAT after a place. Every byte belongs to a record, a damage or padding."""

    def __init__(
        self,
        chunks: Iterator[bytes],
        after: Place,
        *,
        max_record_bytes: int,
        limits: InflateLimits,
        skip_member: Reason.ValueType | None = None,
    ) -> None:
        self._chunks = chunks
        self._after = after
        self._limits = limits
        self._skip_member = skip_member
        self._max_record_bytes = max_record_bytes
        self._records: RecordReader | None = None
        self._plain = after.plain

    @property
    def place(self) -> Place:
        """The place after the latest event."""
        records = self._records
        if records is None:
            return self._after
        return Place(
            anchor=records.anchor,
            events=records.since_anchor,
            before_anchor=records.before_anchor,
            plain=self._plain,
        )

    def events(self) -> Iterator[WarcEvent]:
        """Yields the events in order; call it once."""
        after, chunks = self._after, self._chunks
        if self._plain is None:
            head, chunks = _peeked(chunks)
            self._plain = looks_plain(head)
            if not head:
                yield Damage(0, Reason.REASON_TRUNCATED, "the source is empty")
                return
        self._records = records = RecordReader(
            max_record_bytes=self._max_record_bytes, plain=self._plain, last_offset=after.before_anchor
        )
        records.begin_at(after.anchor)
        events = self._plain_events(chunks) if self._plain else self._gzip_events(chunks)
        known = after.events if self._skip_member is None else 0
        for number, event in enumerate(events):
            if number >= known:
                yield event

    def _plain_events(self, chunks: Iterator[bytes]) -> Iterator[WarcEvent]:
        records = self._reading
        for piece in plain_pieces(chunks, self._after.anchor):
            yield from records.feed(piece)
        yield from records.finish()

    def _gzip_events(self, chunks: Iterator[bytes]) -> Iterator[WarcEvent]:
        records = self._reading
        members = GzipMembers(chunks, self._after.anchor, self._limits)
        for stretch in members.stretches(skip=self._skip_member):
            if isinstance(stretch, LostRange):
                yield from records.lose(stretch)
            else:
                yield from records.feed(stretch)
        yield from records.finish()

    @property
    def _reading(self) -> RecordReader:
        if self._records is None:
            raise RuntimeError("reading has not begun")
        return self._records


def _peeked(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Returns the first bytes, and all chunks from the start."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    return head[:_HEAD_BYTES], chain([head] if head else [], chunks)
