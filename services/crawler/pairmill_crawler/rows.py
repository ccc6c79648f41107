"""Rows of candidates, collected column by column."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import pyarrow as pa

from pairmill.domains import registrable_domain
from pairmill.ids import bucket_of, sample_id, url_id
from pairmill.schemas import CANDIDATES
from pairmill_crawler.language import Language
from pairmill_crawler.urls import ImageUrl

_CACHED_HOSTS: Final = 1 << 14
_LINK_COLUMNS: Final = (
    "sample_id", "url_id", "url", "text", "host", "domain", "bucket", "language", "language_confidence",
    "link_index",
)  # fmt: skip
_PAGE_COLUMNS: Final = ("licence", "consent", "page_url", "wat_offset", "warc_file", "warc_offset")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageColumns:
    """What all candidates of a page share."""

    licence: str | None
    consent: str | None
    page_url: str
    wat_offset: int
    warc_file: str | None
    warc_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatColumns:
    """What all candidates of a WAT share."""

    crawl: str | None
    wat_file: str
    wat_index: int
    language_detector: str


@dataclass(slots=True)
class Rows:
    """Takes candidates link by link and gives them back as a table."""

    wat: WatColumns
    _links: list[tuple[Any, ...]] = field(default_factory=list)
    _pages: list[tuple[PageColumns, int]] = field(default_factory=list)
    _closed: int = 0  # links whose page is known

    def __len__(self) -> int:
        return len(self._links)

    def add(self, address: ImageUrl, text: str, language: Language, link_index: int) -> None:
        """Takes a candidate of the page that `end_page` will name."""
        domain, bucket = _place(address.host)
        url = address.url
        self._links.append(
            (
                sample_id(url, text),
                url_id(url),
                url,
                text,
                address.host,
                domain,
                bucket,
                *language,
                link_index,
            )
        )

    def end_page(self, page: PageColumns) -> None:
        """Says which page the candidates since the last call are from."""
        count = len(self._links) - self._closed
        if count:
            self._pages.append((page, count))
            self._closed += count

    def take(self) -> pa.Table:
        """Returns all rows in the schema `CANDIDATES`, in order, and starts anew."""
        size = len(self._links)
        by_link = zip(*self._links, strict=True) if size else ((),) * len(_LINK_COLUMNS)
        columns: dict[str, Any] = dict(zip(_LINK_COLUMNS, by_link, strict=True))
        for name in _PAGE_COLUMNS:
            columns[name] = [value for page, n in self._pages for value in [getattr(page, name)] * n]
        arrays = [
            pa.array(columns[item.name], item.type)
            if item.name in columns
            else pa.repeat(pa.scalar(getattr(self.wat, item.name), item.type), size)
            for item in CANDIDATES
        ]
        self._links, self._pages, self._closed = [], [], 0
        return pa.Table.from_arrays(arrays, schema=CANDIDATES)


@lru_cache(maxsize=_CACHED_HOSTS)
def _place(host: str) -> tuple[str, int]:
    domain = registrable_domain(host)
    return domain, bucket_of(domain)
