"""The crawl of one WAT, as it runs in a child process: bytes in, blocks of candidates out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import pyarrow as pa

from pairmill_crawler.drops import Drops, DropSample
from pairmill_crawler.gzip_members import InflateLimits
from pairmill_crawler.pages import Extraction
from pairmill_crawler.ports import Detectors, OpenSource, Source, SourceMissingError
from pairmill_crawler.reader import Place, WatReader
from pairmill_crawler.rows import Rows, WatColumns
from pairmill_crawler.rules import Rules
from pairmill_crawler.warc import Damage, WarcRecord
from pairmill_protos.common.v1.outcome_pb2 import Reason

BLOCK_ROWS: Final = 4096
BLOCK_BYTES: Final = 16 << 20  # of records read

FRAMING: Final = -1
"""Held in the place of a record's offset while members are inflated and records found."""
READING: Final = -2
"""Held while the source is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlOrder:
    """What to crawl, and from where on."""

    wat: str
    wat_index: int
    crawl: str
    rules: Rules
    limits: InflateLimits = field(default_factory=InflateLimits)
    after: Place = field(default_factory=Place)
    suspects: frozenset[int] = frozenset()  # offsets of records to be worked on alone
    crashed: frozenset[int] = frozenset()  # offsets of records not to be worked on
    skip_member: bool = False  # the member at the anchor cannot be read
    careful: bool = False  # each record makes a block of its own


class Block(NamedTuple):
    """What a stretch of a WAT gave."""

    table: pa.Table
    drops: Drops
    place: Place  # after it
    source_bytes: int  # read of the source for it
    last: bool


class Holder(Protocol):
    """Is told what is being worked on, where a parent process can see it."""

    def hold(self, what: int) -> None:
        """Notes a record's offset, FRAMING or READING."""
        ...


def crawl_wat(
    order: CrawlOrder, open_source: OpenSource, detectors: Detectors, holder: Holder
) -> Iterator[Block]:
    """Yields blocks in order, the last one marked; a source that is missing is one row.

    Raises RetriableError while the source cannot be had.
    """
    source = open_source(order.wat, order.after.anchor)
    try:
        yield from _Crawl(order, source, detectors, holder).blocks()
    finally:
        source.close()


class _Crawl:
    def __init__(self, order: CrawlOrder, source: Source, detectors: Detectors, holder: Holder) -> None:
        self._order = order
        self._source = source
        self._holder = holder
        detector = detectors(order.rules.detector)
        columns = WatColumns(
            crawl=order.crawl or None,
            wat_file=wat_file_name(order.wat),
            wat_index=order.wat_index,
            language_detector=detector.name,
        )
        self._extraction = Extraction(order.rules, detector, Rows(columns), Drops())
        self._offset = order.after.anchor  # in the source, of the next byte to read
        self._reported = self._offset
        self._reader = WatReader(
            self._chunks(),
            order.after,
            max_record_bytes=order.rules.max_record_bytes,
            limits=order.limits,
            skip_member=Reason.REASON_CRASHED if order.skip_member else None,
        )

    def blocks(self) -> Iterator[Block]:
        try:
            yield from self._blocks()
        except SourceMissingError as error:
            sample = DropSample(url=self._order.wat, detail=str(error), wat_offset=0)
            self._extraction.drops.add(Reason.REASON_SOURCE_MISSING, sample)
        yield self._block(self._reader.place, last=True)

    def _blocks(self) -> Iterator[Block]:
        extraction, order, hold = self._extraction, self._order, self._holder.hold
        place, held_bytes, ends_early = order.after, 0, False
        hold(FRAMING)
        for event in self._reader.events():
            alone = event.offset in order.suspects
            if alone:
                yield self._block(place)
            hold(event.offset)
            if event.offset in order.crashed:
                extraction.refuse(event, Reason.REASON_CRASHED, "its reader died twice")
            else:
                extraction.take(event)
            place = self._reader.place
            held_bytes += len(event.payload) if isinstance(event, WarcRecord) else 0
            ends_early = isinstance(event, Damage) and event.reason == Reason.REASON_TRUNCATED
            alone = alone or order.careful
            if alone or held_bytes >= BLOCK_BYTES or len(extraction.rows) >= BLOCK_ROWS:
                yield self._block(place)
                held_bytes = 0
            hold(FRAMING)
        size = self._source.size
        if size is not None and self._offset < size and not ends_early:
            detail = f"the source ends at byte {self._offset} of {size}"
            extraction.take(Damage(self._offset, Reason.REASON_TRUNCATED, detail))

    def _block(self, place: Place, *, last: bool = False) -> Block:
        extraction = self._extraction
        drops, extraction.drops = extraction.drops, Drops()
        read, self._reported = self._offset - self._reported, self._offset
        return Block(extraction.rows.take(), drops, place, read, last)

    def _chunks(self) -> Iterator[bytes]:
        """The source's chunks, its waiting held apart from work on them."""
        chunks = self._source.chunks()
        while True:
            self._holder.hold(READING)
            chunk = next(chunks, None)
            self._holder.hold(FRAMING)
            if chunk is None:
                return
            self._offset += len(chunk)
            yield chunk


def is_remote(wat: str) -> bool:
    """Whether a WAT is named by an http(s) URL rather than a path."""
    return wat[:8].lower().startswith(("http://", "https://"))


def wat_file_name(wat: str) -> str:
    """Returns the file name in a path or URL of a WAT: the same wherever the file is read from."""
    path = urlsplit(wat).path if is_remote(wat) else wat
    return path.rstrip("/").rpartition("/")[2]
