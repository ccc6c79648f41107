"""Notices inside a file that forbid its use are found in every container (D10)."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pairmill.jobspec.profiles import profile
from pairmill_downloader.images.examine import examine
from pairmill_downloader.images.optouts import embedded_opt_out
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.download import picture
from tests.fakes.shard import drawn_picture

VOCABULARY = "http://ns.useplus.org/ldf/vocab/"


def xmp(value: str, *, as_attribute: bool = False) -> bytes:
    head = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:plus='http://ns.useplus.org/ldf/xmp/1.0/'>"
    if as_attribute:
        body = f"<rdf:Description plus:DataMining='{VOCABULARY}{value}'/>"
    else:
        body = f"<rdf:Description><plus:DataMining>{VOCABULARY}{value}</plus:DataMining></rdf:Description>"
    return (head + body + "</rdf:RDF></x:xmpmeta>").encode()


def with_xmp(kind: str, packet: bytes) -> bytes:
    sink = io.BytesIO()
    options: dict[str, Any] = {"xmp": packet}
    if kind == "PNG":
        options = {"pnginfo": PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode())
    elif kind == "TIFF":
        options = {"tiffinfo": {700: packet}}
    Image.fromarray(drawn_picture(1)).save(sink, kind, **options)
    return sink.getvalue()


def png_with_chunk(kind: bytes, content: bytes) -> bytes:
    whole = picture(kind="PNG")
    crc = struct.pack(">I", zlib.crc32(kind + content))
    return whole[:33] + struct.pack(">I", len(content)) + kind + content + crc + whole[33:]


def cbor_text(text: str) -> bytes:
    return (bytes([0x60 + len(text)]) if len(text) < 24 else b"\x78" + bytes([len(text)])) + text.encode()


def assertion(entries: dict[str, str], label: str = "c2pa.training-mining") -> bytes:
    """A JUMBF box with the assertion, as far as it matters here."""
    body = b"\xa1" + cbor_text("entries") + bytes([0xA0 + len(entries)])
    for name, use in entries.items():
        body += cbor_text(name) + b"\xa1" + cbor_text("use") + cbor_text(use)
    described = b"\0\0\0\x30jumdcbor" + label.encode() + b"\0"
    return b"\0\0\0\xffjumb" + described + struct.pack(">I", len(body) + 8) + b"cbor" + body


def jpeg_with_jumbf(box: bytes, part: int) -> bytes:
    """A JPEG whose JUMBF box is cut into segments of `part` bytes."""
    segments = b""
    for number, start in enumerate(range(0, len(box), part), 1):
        repeated = b"" if number == 1 else box[:8]
        payload = b"JP\0\x01" + struct.pack(">I", number) + repeated + box[start : start + part]
        segments += b"\xff\xeb" + struct.pack(">H", len(payload) + 2) + payload
    whole = picture()
    return whole[:2] + segments + whole[2:]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("as_attribute", [True, False])
def test_d10_iptc_data_mining_is_found_in_xmp(kind: str, as_attribute: bool) -> None:
    data = with_xmp(kind, xmp("DMI-PROHIBITED-AIMLTRAINING", as_attribute=as_attribute))
    found = embedded_opt_out(data, kind.lower())
    assert found == "IPTC data mining: PROHIBITED-AIMLTRAINING"


@pytest.mark.parametrize(
    ("value", "forbids"),
    [
        ("DMI-PROHIBITED", True),
        ("DMI-PROHIBITED-GENAIMLTRAINING", True),
        ("DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING", True),
        ("DMI-PROHIBITED-SEECONSTRAINT", True),
        ("DMI-ALLOWED", False),
        ("DMI-UNSPECIFIED", False),
    ],
)
def test_d10_values_of_the_vocabulary(value: str, forbids: bool) -> None:
    assert (embedded_opt_out(with_xmp("JPEG", xmp(value)), "jpeg") is not None) == forbids


def test_d10_compressed_texts_of_a_png_are_looked_into() -> None:
    head = b"XML:com.adobe.xmp\0\x01\0\0\0"
    data = png_with_chunk(b"iTXt", head + zlib.compress(xmp("DMI-PROHIBITED")))
    assert embedded_opt_out(data, "png") == "IPTC data mining: PROHIBITED"


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ({"c2pa.ai_training": "notAllowed"}, "C2PA ai_training: notAllowed"),
        ({"c2pa.data_mining": "constrained"}, "C2PA data_mining: constrained"),
        ({"cawg.ai_generative_training": "notAllowed"}, "C2PA ai_generative_training: notAllowed"),
        (
            {"c2pa.ai_training": "allowed", "c2pa.data_mining": "notAllowed"},
            "C2PA data_mining: notAllowed",
        ),
        ({"c2pa.ai_training": "allowed", "c2pa.data_mining": "allowed"}, None),
        ({"c2pa.ai_inference": "notAllowed"}, None),
        ({"c2pa.ai_inference": "notAllowed", "c2pa.ai_training": "allowed"}, None),
    ],
)
def test_d10_entries_of_the_assertion(entries: dict[str, str], found: str | None) -> None:
    box = assertion(entries)
    assert embedded_opt_out(png_with_chunk(b"caBX", box), "png") == found
    assert embedded_opt_out(jpeg_with_jumbf(box, 10**4), "jpeg") == found
    assert embedded_opt_out(jpeg_with_jumbf(box, 20), "jpeg") == found


def test_an_image_without_a_notice_is_free() -> None:
    assert all(embedded_opt_out(picture(kind=kind), kind.lower()) is None for kind in ("JPEG", "PNG", "GIF"))


def test_d10_bytes_of_a_reserved_image_are_not_stored() -> None:
    found = examine(with_xmp("JPEG", xmp("DMI-PROHIBITED")), profile("everything").image)
    assert found.reason == Reason.REASON_OPT_OUT_EMBEDDED
    assert found.stored is None
