"""From image bytes to pixels: every way in which they may be wrong is a reason."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pairmill_models.decoding import ImageError, decode_rgb
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.shard import drawn_picture, jpeg

PICTURE = drawn_picture(3)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def reason_for(data: bytes, **options: Any) -> int:
    with pytest.raises(ImageError) as caught:
        decode_rgb(data, **options)
    return caught.value.reason


@pytest.mark.parametrize("kind", ["png", "webp", "gif", "bmp", "tiff", "avif"])
def test_other_formats_are_decoded_by_content(kind: str) -> None:
    options = {"lossless": True} if kind == "webp" else {}
    found = decode_rgb(encoded(Image.fromarray(PICTURE), kind, **options))
    assert found.dtype == np.uint8
    assert found.shape == PICTURE.shape
    tolerance = 20 if kind in ("gif", "avif") else 0
    assert np.abs(found.astype(int) - PICTURE).mean() <= tolerance


def test_a_jpeg_is_what_pillow_makes_of_it() -> None:
    data = jpeg(PICTURE)
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(decode_rgb(data).astype(int) - reference).max() <= 2


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_every_colour_space_of_jpeg_becomes_rgb(mode: str) -> None:
    found = decode_rgb(encoded(Image.fromarray(PICTURE).convert(mode), "jpeg", quality=95))
    reference = np.asarray(Image.fromarray(PICTURE).convert(mode).convert("RGB"))
    assert np.abs(found.astype(int) - reference).mean() < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_e9_a_picture_is_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decode_rgb(encoded(Image.fromarray(PICTURE), "jpeg", exif=exif, quality=95))
    width_first = orientation >= 5
    assert found.shape[:2] == (PICTURE.shape[:2][::-1] if width_first else PICTURE.shape[:2])


def test_transparency_is_laid_over_white() -> None:
    clear = np.zeros((4, 4, 4), dtype=np.uint8)
    assert (decode_rgb(encoded(Image.fromarray(clear), "png")) == 255).all()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_e3_a_cut_image_is_never_a_picture(kind: str, share: float) -> None:
    data = encoded(Image.fromarray(PICTURE), kind)
    reason = reason_for(data[: int(len(data) * share)])
    assert reason in (
        Reason.REASON_TRUNCATED_IMAGE,
        Reason.REASON_DECODE_ERROR,
        Reason.REASON_NOT_AN_IMAGE,
    )


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\xd8\xff", b"<html></html>", b"%PDF-1.4", bytes(2000)])
def test_e12_bytes_that_are_no_image_have_a_reason(data: bytes) -> None:
    assert reason_for(data) in (Reason.REASON_NOT_AN_IMAGE, Reason.REASON_DECODE_ERROR)


def test_e1_too_many_declared_pixels_are_refused_from_the_header() -> None:
    assert reason_for(jpeg(PICTURE), max_pixels=100) == Reason.REASON_BOMB
    assert reason_for(png_that_claims(9000, 9000), max_pixels=80_000_000) == Reason.REASON_BOMB
    assert reason_for(png_that_claims(60_000, 60_000)) == Reason.REASON_BOMB


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
