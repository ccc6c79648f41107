"""Makes WAT files of any size that look like Common Crawl's: three records a page, a gzip member each.

Pages are modelled on what real WATs hold (about 150 links a page, a fifth of them images, two thirds of
those with a text); every address and every text is different, so that caches do not flatter a measurement.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

WORDS: Final = {
    "en": "the red house with garden old wooden table summer dress black leather shoes vintage photo of city "
    "street morning light mountain lake view fresh bread recipe kitchen design idea silver ring gold watch "
    "portrait young woman smiling children playing park autumn leaves river bridge modern living room",
    "de": "das rote Haus mit Garten alter Holztisch Sommerkleid schwarze Lederschuhe Foto der Stadt Straße "
    "Morgenlicht Bergsee Blick frisches Brot Rezept Küche Idee silberner Ring goldene Uhr für Größe schön",
    "fr": "la maison rouge avec jardin vieille table en bois robe d’été chaussures noires photo ancienne de "
    "la ville rue lumière du matin lac de montagne pain frais recette cuisine idée bague montre dorée",
    "es": "la casa roja con jardín vieja mesa de madera vestido de verano zapatos negros foto antigua de la "
    "ciudad calle luz mañana lago montaña pan fresco receta cocina idea anillo reloj niños jugando",
    "ru": "красный дом с садом старый деревянный стол летнее платье чёрные туфли старое фото города улица "
    "утренний свет горное озеро свежий хлеб рецепт кухня идея кольцо золотые часы дети играют в парке",
    "ja": "赤い家と庭 古い木のテーブル 夏のドレス 黒い革靴 街の写真 朝の光 山の湖 "
    "焼きたてのパン レシピ 台所 銀の指輪 金の時計",
}
_LANGUAGES: Final = ("en", "en", "en", "en", "de", "fr", "es", "ru", "ja")


def write_big_wat(path: Path, pages: int, seed: int = 7) -> int:
    """Writes a WAT of `pages` pages; returns its size when inflated, in bytes."""
    inflated = 0
    draw = random.Random(seed)
    with path.open("wb") as file:
        for payload in (_warcinfo(), *_payloads(draw, pages)):
            inflated += len(payload)
            file.write(gzip_member(payload))
    return inflated


def gzip_member(data: bytes) -> bytes:
    """Returns the bytes as one gzip member."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def wat_record(page_url: str, document: object) -> bytes:
    """Returns a WAT metadata record for a JSON document."""
    return metadata_record(page_url, json.dumps(document, ensure_ascii=False).encode())


def metadata_record(page_url: str, payload: bytes) -> bytes:
    """Returns a WARC metadata record around a payload."""
    header = (
        f"WARC/1.0\r\nWARC-Type: metadata\r\nWARC-Target-URI: {page_url}\r\n"
        "WARC-Date: 2024-05-31T01:17:49Z\r\n"
        "WARC-Record-ID: <urn:uuid:3d3f4785-c69a-4f8c-968c-d23302c55ef4>\r\n"
        "WARC-Refers-To: <urn:uuid:292f457d-203c-42f2-a1b5-69a4dabefd4f>\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return header.encode() + payload + b"\r\n\r\n"


def _warcinfo() -> bytes:
    body = b"Software-Info: synthetic\r\nformat: WARC File Format 1.0\r\n\r\n"
    head = f"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


def _payloads(draw: random.Random, pages: int) -> Iterator[bytes]:
    for number in range(pages):
        site = f"www.site-{number % 9973:x}.example"
        page_url = f"https://{site}/section/{number:x}/page.html"
        language = draw.choice(_LANGUAGES)
        yield wat_record(
            page_url, _document("request", page_url, number, {"HTTP-Request-Metadata": _REQUEST})
        )
        response = _RESPONSE | {"HTML-Metadata": _html(draw, number, language)}
        yield wat_record(
            page_url, _document("response", page_url, number, {"HTTP-Response-Metadata": response})
        )
        yield wat_record(
            page_url, _document("metadata", page_url, number, {"WARC-Metadata-Metadata": _FETCH})
        )


_HEADERS: Final = {
    "Date": "Sat, 18 May 2024 01:58:10 GMT",
    "Server": "nginx",
    "Content-Type": "text/html; charset=UTF-8",
    "Cache-Control": "max-age=14400",
    "Vary": "Accept-Encoding",
}
_REQUEST: Final = {
    "Request-Message": {"Method": "GET", "Path": "/section/page.html", "Version": "HTTP/1.1"},
    "Headers": {"User-Agent": "CCBot/2.0", "Accept-Language": "en-US,en;q=0.5", "Connection": "Keep-Alive"},
}
_RESPONSE: Final = {
    "Response-Message": {"Status": "200", "Version": "HTTP/1.1", "Reason": "OK"},
    "Headers-Length": "512",
    "Headers": _HEADERS,
    "Entity-Length": "48211",
}
_FETCH: Final = {"Metadata-Records": [{"Name": "fetchTimeMs", "Value": "312"}]}


def _document(kind: str, page_url: str, number: int, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "Container": {
            "Filename": "CC-MAIN-20240517233122-20240518023122-00000.warc.gz",
            "Compressed": True,
            "Offset": str(4000 * number + 400),
            "Gzip-Metadata": {
                "Deflate-Length": "12007",
                "Inflated-CRC": "749718033",
                "Inflated-Length": "48723",
            },
        },
        "Envelope": {
            "Payload-Metadata": {"Actual-Content-Type": f"application/http; msgtype={kind}", **payload},
            "Format": "WARC/1.0",
            "WARC-Header-Length": "581",
            "WARC-Header-Metadata": {
                "WARC-Type": kind,
                "WARC-Date": "2024-05-18T01:58:10Z",
                "WARC-Record-ID": "<urn:uuid:ececb7b0-ed4d-4d27-9ae8-2676df51cf7d>",
                "WARC-Target-URI": page_url,
            },
        },
    }


def _html(draw: random.Random, number: int, language: str) -> dict[str, Any]:
    links = [_anchor(draw, index, language) for index in range(draw.randrange(20, 220))]
    images = draw.randrange(0, 60)
    for index in range(images):
        links.insert(draw.randrange(len(links) + 1), _image(draw, number, index, language))
    return {
        "Head": {
            "Metas": [
                {"name": "viewport", "content": "width=device-width, initial-scale=1"},
                {"property": "og:title", "content": phrase(draw, language)},
                {"name": "description", "content": phrase(draw, language) + " " + phrase(draw, language)},
            ],
            "Link": [
                {"path": "LINK@/href", "url": f"/assets/{n}.css?ver=4.7.{n}", "rel": "stylesheet"}
                for n in range(9)
            ],
            "Title": phrase(draw, language),
            "Scripts": [{"path": "SCRIPT@/src", "url": f"/js/{n}.js"} for n in range(8)],
        },
        "Links": links,
    }


def _anchor(draw: random.Random, index: int, language: str) -> dict[str, str]:
    return {
        "path": "A@/href",
        "url": f"/{phrase(draw, 'en').replace(' ', '-')}/{index}",
        "text": phrase(draw, language),
    }


def _image(draw: random.Random, number: int, index: int, language: str) -> dict[str, str]:
    kind = draw.random()
    name = f"{number:x}-{index}-{draw.getrandbits(40):x}"
    if kind < 0.5:
        url = f"https://cdn{draw.randrange(5000)}.images.example/uploads/2024/05/{name}.jpg"
    elif kind < 0.8:
        url = f"/wp-content/uploads/{name}.png?w=640&h=480"
    else:
        url = f"../img/{name}.webp"
    link = {"path": "IMG@/src", "url": url}
    if draw.random() < 0.8:
        link["alt"] = phrase(draw, language) if draw.random() < 0.8 else ""
    return link


def phrase(draw: random.Random, language: str) -> str:
    """Returns a text of two to twelve words with a number in it, so that no two are alike."""
    words = WORDS[language].split()
    chosen = [draw.choice(words) for _ in range(draw.randrange(2, 12))]
    return f"{' '.join(chosen)} {draw.getrandbits(28)}"
