"""Writes a world's WATs as Common Crawl does: one gzip member per record, JSON about each WARC record."""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, Final

from pairmill_synthweb.painter import mixed
from pairmill_synthweb.world import Defect, Link, Page, Wat, World

MARKER: Final = "IMG@/src"
"""Stands in every record that claims to describe a page, so that a reader may look for it first."""

_DATE: Final = "2026-11-01T12:00:00Z"
_DEPTH: Final = 10_000
_BOMB_BYTES: Final = 64 * 2**20
_GZIP: Final = 31  # zlib's window bits for a gzip wrapper
_RESPONSE_BYTES: Final = 20_000


def write_wats(world: World, folder: Path) -> list[Path]:
    """Writes all WATs into a folder and returns their paths in the order of the job's list."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for wat in world.wats:
        path = folder / wat.name
        with path.open("wb") as handle:
            for member in members(world, wat):
                handle.write(member)
        paths.append(path)
    return paths


def members(world: World, wat: Wat) -> Iterator[bytes]:
    """Yields the gzip members of a WAT in order. Equal worlds give equal bytes."""
    writer = _Writer(wat, seed=mixed(world.seed, wat.name))
    yield _member(writer.warcinfo())
    for record in wat.records:
        if isinstance(record, Page):
            for text in writer.page(record):
                yield _member(text)
        else:
            yield writer.defect(record, world.rules.max_record_bytes)


class _Writer:
    """Numbers the records of one WAT; ids, offsets and lengths look real and mean nothing."""

    def __init__(self, wat: Wat, seed: int) -> None:
        self._warc = wat.name.removesuffix(".wat.gz") + ".gz"
        self._random = Random(seed)
        self._offset = 0

    def warcinfo(self) -> bytes:
        """The first record of a file."""
        fields = "\r\n".join(
            (
                "Software-Info: pairmill-synthweb",
                "Extracted-Date: Sun, 01 Nov 2026 12:00:00 GMT",
                "ip: 127.0.0.1",
                "hostname: localhost",
                "format: WARC File Format 1.0",
                "",
                "",
            )
        )
        header = [
            ("WARC-Type", "warcinfo"),
            ("WARC-Date", _DATE),
            ("WARC-Filename", self._warc),
            ("WARC-Record-ID", self._id()),
            ("Content-Type", "application/warc-fields"),
        ]
        return _record(header, fields.encode())

    def page(self, page: Page) -> Iterator[bytes]:
        """Request, response and metadata of a page, as Common Crawl has them."""
        end = "\n" if page.line_feeds else "\r\n"
        for kind, payload in (
            ("request", {"HTTP-Request-Metadata": {"Headers": {"Host": page.url.split("/")[2]}}}),
            ("response", _response(page)),
            (
                "metadata",
                {"WARC-Metadata-Metadata": {"Metadata-Records": [{"Name": "fetchTimeMs", "Value": "94"}]}},
            ),
        ):
            yield self._json(page.url, self._described(page.url, kind, payload), end=end)

    def defect(self, defect: Defect, max_record_bytes: int) -> bytes:
        """A member that is broken in the given way, whole file position included."""
        url = f"http://www.s00001.example/defect/{defect}.html"
        match defect:
            case Defect.NO_HEADER:
                return _member(b"HELLO 1.0\r\nContent-Length: 12\r\n\r\nIMG@/src oops\r\n\r\n")
            case Defect.BOMB:
                return _member(b"\r\n" * (_BOMB_BYTES // 2))
            case Defect.CORRUPT_MEMBER:
                return _scrambled(_member(self._json(url, self._page_text(url))))
            case Defect.CUT_MEMBER:
                whole = _member(self._json(url, self._page_text(url)))
                return whole[: len(whole) * 2 // 3]
            case Defect.OTHER_TYPE:
                header = [
                    ("WARC-Type", "conversion"),
                    ("WARC-Record-ID", self._id()),
                    ("Content-Type", "text/plain"),
                ]
                return _member(_record(header, b"A page as text.\n"))
            case Defect.TOO_LARGE:
                filler = self._random.randbytes(max_record_bytes // 2 + 50_000).hex()
                return _member(self._json(url, json.dumps({"Envelope": {"note": MARKER, "filler": filler}})))
            case _:
                return _member(self._json(url, self._broken_text(defect, url)))

    def _broken_text(self, defect: Defect, url: str) -> str:
        """JSON payloads that are wrong, each in one way."""
        match defect:
            case Defect.BAD_JSON:
                return '{"Container": {"Filename": "a.warc.gz"}, "Envelope": {"IMG@/src": oops}}'
            case Defect.CUT_JSON:
                text = self._page_text(url)
                return text[: text.index(MARKER) + 60]
            case Defect.NOT_AN_OBJECT:
                return json.dumps([MARKER, 1, 2, 3])
            case Defect.ENVELOPE_IS_A_NUMBER:
                return json.dumps({"Container": {"Offset": "0"}, "Envelope": 5, "note": MARKER})
            case Defect.LINKS_ARE_NO_LIST:
                links = {"Links": {"path": MARKER, "url": "/a.jpg"}}
                return self._described(url, "response", {"HTTP-Response-Metadata": {"HTML-Metadata": links}})
            case Defect.TOO_DEEP:
                return f'{{"Envelope":{{"note":"{MARKER}","deep":{"[" * _DEPTH}{"]" * _DEPTH}}}}}'
            case _:  # a page without any HTML
                headers = {"Headers": {"Content-Type": "application/pdf"}}
                return self._described(url, "response", {"HTTP-Response-Metadata": headers})

    def _page_text(self, url: str) -> str:
        links = tuple(Link(url=f"/img/lost-{n}.jpg", text=f"a picture that is lost, {n}") for n in range(20))
        return self._described(url, "response", _response(Page(url=url, links=links)))

    def _json(self, url: str, text: str, end: str = "\r\n") -> bytes:
        header = [
            ("WARC-Type", "metadata"),
            ("WARC-Target-URI", url),
            ("WARC-Date", _DATE),
            ("WARC-Record-ID", self._id()),
            ("WARC-Refers-To", self._id()),
            ("Content-Type", "application/json"),
        ]
        return _record(header, text.encode(), end=end)

    def _described(self, url: str, kind: str, payload: dict[str, Any]) -> str:
        """The JSON about one WARC record of a page."""
        offset, length = self._offset, self._random.randrange(300, _RESPONSE_BYTES)
        self._offset += length
        document = {
            "Container": {
                "Filename": self._warc,
                "Compressed": True,
                "Offset": str(offset),
                "Gzip-Metadata": {"Deflate-Length": str(length), "Header-Length": "10", "Footer-Length": "8"},
            },
            "Envelope": {
                "Payload-Metadata": {
                    "Actual-Content-Type": f"application/http; msgtype={kind}",
                    **payload,
                    "Trailing-Slop-Length": "4",
                },
                "Format": "WARC/1.0",
                "WARC-Header-Metadata": {
                    "WARC-Type": kind,
                    "WARC-Target-URI": url,
                    "WARC-Date": _DATE,
                    "WARC-Record-ID": self._id(),
                    "Content-Type": f"application/http; msgtype={kind}",
                },
            },
        }
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate can only be written as an escape
            return json.dumps(document, separators=(",", ":"))
        return text

    def _id(self) -> str:
        return f"<urn:uuid:{uuid.UUID(bytes=self._random.randbytes(16), version=4)}>"


def _response(page: Page) -> dict[str, Any]:
    head: dict[str, Any] = {
        "Title": "A page",
        "Link": [{"path": "LINK@/href", "url": "/style.css", "rel": "stylesheet"}],
    }
    if page.metas:
        head["Metas"] = [{"name": name, "content": content} for name, content in page.metas]
    if page.base:
        head["Base"] = page.base
    return {
        "HTTP-Response-Metadata": {
            "Response-Message": {"Status": "200", "Version": "HTTP/1.1", "Reason": "OK"},
            "Headers": {"Content-Type": "text/html; charset=utf-8", "Server": "pairmill-synthweb"},
            "HTML-Metadata": {"Head": head, "Links": [_entry(link) for link in page.links]},
            "Entity-Length": "4711",
        },
        "Actual-Content-Length": "5000",
    }


def _entry(link: Link) -> Any:
    """A link as it stands in the JSON."""
    if link.broken == "not_an_object":
        return f"{MARKER} {link.url}"
    entry: dict[str, Any] = {"path": 7 if link.broken == "path_number" else link.path, "url": link.url}
    if link.path == MARKER and link.text is not None:
        entry["alt"] = 4711 if link.broken == "alt_number" else link.text
    elif link.path == "A@/href":
        entry["text"] = "more"
    return entry


def _record(header: list[tuple[str, str]], payload: bytes, end: str = "\r\n") -> bytes:
    lines = [
        "WARC/1.0",
        *(f"{name}: {value}" for name, value in header),
        f"Content-Length: {len(payload)}",
        "",
        "",
    ]
    return end.join(lines).encode() + payload + 2 * end.encode()


def _member(data: bytes) -> bytes:
    """One gzip member without name or time, so that equal data give equal bytes."""
    deflater = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return deflater.compress(data) + deflater.flush()


def _scrambled(member: bytes) -> bytes:
    """A member whose middle is overwritten with bytes that are no deflate code."""
    middle = len(member) // 2
    return member[:middle] + b"\xff" * 64 + member[middle + 64 :]
