"""From a WAT record to candidates and drops: every link of a page ends in exactly one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from pairmill_crawler.consent import terms_of
from pairmill_crawler.drops import Drops, DropSample
from pairmill_crawler.language import Language, judge
from pairmill_crawler.ports import LanguageDetector
from pairmill_crawler.rows import PageColumns, Rows
from pairmill_crawler.rules import Rules
from pairmill_crawler.text import repair
from pairmill_crawler.urls import Base, ImageUrl, document_base, image_url
from pairmill_crawler.warc import Damage, WarcEvent, WarcRecord
from pairmill_crawler.wat import IMAGE_PATH, BadLink, Imageless, Link, Page, parse_wat
from pairmill_protos.common.v1.outcome_pb2 import Reason

RAW_FACTOR: Final = 8
"""A raw text this many times longer than the limit is too long whatever its repair would give."""

_MAX_PAGE_URL: Final = 8192
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]+")


class _Drop(NamedTuple):
    reason: Reason.ValueType
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Taken:
    address: ImageUrl
    text: str
    language: Language


_Fate: TypeAlias = "_Taken | _Drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class _PageView:
    """What a link is judged by besides itself."""

    base: Base
    forbids: bool


class Extraction:
    """Turns WARC events into rows and drops. Not thread-safe."""

    def __init__(self, rules: Rules, detector: LanguageDetector, rows: Rows, drops: Drops) -> None:
        self._rules = rules
        self._detector = detector
        self.rows = rows
        self.drops = drops

    def take(self, event: WarcEvent) -> None:
        """Books a record or damage: as its links, or where it has none as one row."""
        if isinstance(event, Damage):
            self.refuse(event, event.reason, event.detail)
            return
        if not event.is_json:
            self.refuse(event, Reason.REASON_NO_HTML_METADATA, "the record is no JSON")
            return
        match parse_wat(event.payload):
            case Page() as page:
                self._take_page(page, event)
            case Imageless(links):
                sample = DropSample(page_url=event.target_uri, wat_offset=event.offset)
                self.drops.add(Reason.REASON_NOT_IMAGE_LINK, sample, links)
            case (reason, detail):
                self.refuse(event, reason, detail)

    def refuse(self, event: WarcEvent, reason: Reason.ValueType, detail: str) -> None:
        """Books a record or damage as one row left out."""
        page_url = event.target_uri if isinstance(event, WarcRecord) else ""
        self.drops.add(reason, DropSample(page_url=page_url, detail=detail, wat_offset=event.offset))

    def _take_page(self, page: Page, record: WarcRecord) -> None:
        page_url = page.url.strip("<> ") or record.target_uri
        base = document_base(page_url, page.base_href)
        terms = terms_of(page, base)
        view = _PageView(base=base, forbids=terms.forbids and self._rules.honour_page_opt_outs)
        dropped: dict[Reason.ValueType, list[int]] = {}
        details: dict[Reason.ValueType, str] = {}
        images, others = 0, []
        for index, link in enumerate(page.links):
            if isinstance(link, Link) and link.path != IMAGE_PATH:
                others.append(index)
                continue
            images += 1
            fate = self._judge(link, view, images)
            if isinstance(fate, _Taken):
                self.rows.add(fate.address, fate.text, fate.language, index)
            else:
                dropped.setdefault(fate.reason, []).append(index)
                details.setdefault(fate.reason, fate.detail)
        if others:
            dropped[Reason.REASON_NOT_IMAGE_LINK] = others
        self.rows.end_page(_columns(page, page_url, terms.licence, terms.consent, record.offset))
        for reason, places in dropped.items():
            self._drop(reason, page.links[places[0]], details.get(reason, ""), page_url, record, len(places))

    def _drop(
        self,
        reason: Reason.ValueType,
        link: Link | BadLink,
        detail: str,
        page_url: str,
        record: WarcRecord,
        count: int,
    ) -> None:
        url, text = (link.url, link.alt) if isinstance(link, Link) else (None, None)
        sample = DropSample(url or "", text or "", page_url, detail, record.offset)
        self.drops.add(reason, sample, count)

    def _judge(self, link: Link | BadLink, view: _PageView, number: int) -> _Fate:
        """Returns what becomes of a page's `number`-th image link: the first rule that it breaks counts."""
        rules = self._rules
        if isinstance(link, BadLink) or link.url is None:
            return _Drop(Reason.REASON_BAD_SCHEMA, "" if isinstance(link, BadLink) else "no address")
        if number > rules.max_links_per_page:
            return _Drop(Reason.REASON_TOO_MANY_LINKS)
        raw = link.alt
        if not raw or raw.isspace():
            return _Drop(Reason.REASON_NO_ALT)
        if view.forbids:
            return _Drop(Reason.REASON_OPT_OUT_PAGE)
        address = image_url(link.url, view.base, rules.max_url_characters)
        if not isinstance(address, ImageUrl):
            return _Drop(*address)
        text = self._text(raw)
        return text if isinstance(text, _Drop) else self._with_language(address, text)

    def _text(self, raw: str) -> str | _Drop:
        rules = self._rules
        if len(raw) > RAW_FACTOR * rules.max_text_characters:
            raw = raw.strip()
            if len(raw) > RAW_FACTOR * rules.max_text_characters:
                return _Drop(Reason.REASON_ALT_TOO_LONG, f"{len(raw)} characters")
        text = repair(raw)
        if not text:
            return _Drop(Reason.REASON_NO_ALT)
        if len(text) < rules.min_text_characters:
            return _Drop(Reason.REASON_ALT_TOO_SHORT, f"{len(text)} characters")
        if len(text) > rules.max_text_characters:
            return _Drop(Reason.REASON_ALT_TOO_LONG, f"{len(text)} characters")
        return text

    def _with_language(self, address: ImageUrl, text: str) -> _Fate:
        language = judge(self._detector.detect(text), self._rules)
        if self._rules.languages and language.code not in self._rules.languages:
            return _Drop(Reason.REASON_LANGUAGE_EXCLUDED, language.code or "undetermined")
        return _Taken(address, text, language)


def _columns(page: Page, page_url: str, licence: str | None, consent: str | None, offset: int) -> PageColumns:
    return PageColumns(
        licence=licence,
        consent=consent,
        page_url=_printable(page_url) if len(page_url) <= _MAX_PAGE_URL else "",
        wat_offset=offset,
        warc_file=_printable(page.warc_file)[:_MAX_PAGE_URL] or None,
        warc_offset=page.warc_offset,
    )


def _printable(text: str) -> str:
    return _CONTROLS.sub("", text)
