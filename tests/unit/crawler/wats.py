"""WATs for tests: records around JSON, members around records, and what a crawl makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pairmill.reasons import reason_name
from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.crawl import Block, CrawlOrder, crawl_wat
from pairmill_crawler.drops import Drops
from pairmill_crawler.ports import SourceMissingError
from pairmill_crawler.rules import Rules
from tests.bench.big_wat import gzip_member, metadata_record

PAGE = "http://www.page.test/dir/page.html"


def document(links: Any, *, url: Any = PAGE, head: Any = None, headers: Any = None) -> dict[str, Any]:
    """The JSON of a page's response record."""
    html: dict[str, Any] = {"Links": links}
    if head is not None:
        html["Head"] = head
    response: dict[str, Any] = {"HTML-Metadata": html}
    if headers is not None:
        response["Headers"] = headers
    return {
        "Container": {"Filename": "some.warc.gz", "Offset": "4711"},
        "Envelope": {
            "WARC-Header-Metadata": {"WARC-Target-URI": url},
            "Payload-Metadata": {"HTTP-Response-Metadata": response},
        },
    }


def image(url: Any, alt: Any = "a picture of something") -> dict[str, Any]:
    return {"path": "IMG@/src", "url": url, "alt": alt}


def page_record(*links: Any, **fields: Any) -> bytes:
    payload = json.dumps(document(list(links), **fields)).encode()
    return metadata_record(PAGE, payload)


def info_record() -> bytes:
    body = b"software: test\r\n"
    header = f"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: {len(body)}\r\n\r\n"
    return header.encode() + body + b"\r\n\r\n"


def wat_of(*records: bytes) -> bytes:
    return b"".join(map(gzip_member, records))


class Memory:
    """Sources in memory, in chunks of some size."""

    def __init__(self, data: bytes, *, chunk: int = 1000, size: int | None = None) -> None:
        self._data = data
        self._chunk = chunk
        self._size = size if size is not None else len(data)

    def __call__(self, wat: str, offset: int) -> _Bytes:
        return _Bytes(self._data, offset, self._chunk, self._size, missing="missing" in wat)


@dataclass
class _Bytes:
    data: bytes
    offset: int
    chunk: int
    size: int | None
    missing: bool

    def chunks(self) -> Iterator[bytes]:
        if self.missing:
            raise SourceMissingError("no such thing")
        for start in range(self.offset, len(self.data), self.chunk):
            yield self.data[start : start + self.chunk]

    def close(self) -> None:
        pass


@dataclass
class Held:
    """Remembers what was held."""

    values: list[int] = field(default_factory=list)

    def hold(self, what: int) -> None:
        self.values.append(what)


def rules(**fields: Any) -> Rules:
    return Rules(**{"min_confidence_by_language": {}, "max_record_bytes": 1 << 20, **fields})


def order(wat: str = "x/some.wat.gz", **fields: Any) -> CrawlOrder:
    return CrawlOrder(**{"wat": wat, "wat_index": 3, "crawl": "CC-TEST", "rules": rules(), **fields})


@dataclass
class Crawled:
    """All that a crawl gave."""

    rows: list[dict[str, Any]]
    drops: Drops

    @property
    def counts(self) -> dict[str, int]:
        return {reason_name(reason): rows for reason, rows in self.drops.counts.items()}

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(row["url"], row["text"]) for row in self.rows]

    def details(self, reason: int) -> list[str]:
        return [
            sample.detail
            for at, ranked in self.drops.samples.items()
            if at == reason
            for *_, sample in ranked
        ]


def collect(blocks: Iterable[Block | None]) -> Crawled:
    rows: list[dict[str, Any]] = []
    drops = Drops()
    for block in blocks:
        if block is not None:
            rows.extend(block.table.to_pylist())
            drops.merge(block.drops)
    return Crawled(rows, drops)


def crawl(data: bytes, *, chunk: int = 1000, size: int | None = None, **fields: Any) -> Crawled:
    """Crawls a WAT in this process."""
    return collect(crawl_wat(order(**fields), Memory(data, chunk=chunk, size=size), detector_named, Held()))
