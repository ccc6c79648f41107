"""A small WAT whose candidates are known: what the crawler tests itself with (U14)."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pairmill_crawler.crawl import Block, CrawlOrder
from pairmill_crawler.drops import Drops
from pairmill_crawler.rules import Rules
from pairmill_protos.common.v1.outcome_pb2 import Reason

_PAGE: Final = "http://www.example.com/a/page.html"
_LINKS: Final = (
    {"path": "A@/href", "url": "/other.html"},
    {"path": "IMG@/src", "url": "../pictures/1.jpg#top", "alt": "  The red  house &amp; its garden\n"},
    {"path": "IMG@/src", "url": "//images.example.org/2.png", "alt": "Una casa roja con un jardÃ­n grande"},
    {"path": "IMG@/src", "url": "/3.gif"},
    {"path": "IMG@/src", "url": "javascript:void(0)", "alt": "no picture"},
)
_CANDIDATES: Final = [
    ("http://www.example.com/pictures/1.jpg", "The red house & its garden", 1),
    ("http://images.example.org/2.png", "Una casa roja con un jardín grande", 2),
]
_DROPS: Final = Counter(
    {
        Reason.REASON_NO_HTML_METADATA: 1,
        Reason.REASON_NOT_IMAGE_LINK: 1,
        Reason.REASON_NO_ALT: 1,
        Reason.REASON_BAD_SCHEME: 1,
    }
)


def check_known_good(folder: Path, crawl: Callable[[CrawlOrder], Iterable[Block | None]]) -> None:
    """Crawls five links of one page; raises if that goes wrong."""
    path = folder / "known-good.warc.wat.gz"
    path.write_bytes(_member("text/plain", b"software: none") + _member("application/json", _payload()))
    rules = Rules(detector="cld2", min_confidence_by_language={})
    order = CrawlOrder(wat=str(path), wat_index=0, crawl="", rules=rules)
    candidates, drops = [], Drops()
    for block in crawl(order):
        if block is not None:
            candidates.extend(block.table.select(["url", "text", "link_index"]).to_pylist())
            drops.merge(block.drops)
    found = [(row["url"], row["text"], row["link_index"]) for row in candidates]
    if found != _CANDIDATES or drops.counts != _DROPS:
        raise RuntimeError(f"the candidates of a known WAT are wrong: {found}, left out {drops.counts}")


def _payload() -> bytes:
    html = {"Links": _LINKS}
    document = {
        "Envelope": {
            "WARC-Header-Metadata": {"WARC-Target-URI": _PAGE},
            "Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": html}},
        }
    }
    return json.dumps(document).encode()


def _member(content_type: str, payload: bytes) -> bytes:
    header = f"WARC/1.0\r\nContent-Type: {content_type}\r\nContent-Length: {len(payload)}\r\n\r\n"
    return gzip.compress(header.encode() + payload + b"\r\n\r\n", mtime=0)
