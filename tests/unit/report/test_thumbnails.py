"""Thumbnails: made in a child, so that bytes which kill a decoder cost one picture (U13)."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from pairmill_gateway.report.thumbnail_child import SIDE, serve, shrink
from pairmill_gateway.report.thumbnails import MAX_IMAGE_BYTES, frames, make_thumbnails


def _image(kind: str = "JPEG", width: int = 640, height: int = 320, mode: str = "RGB") -> bytes:
    sink = io.BytesIO()
    Image.new(mode, (width, height), 120 if mode in ("L", "P") else (200, 30, 30, 99)[: len(mode)]).save(
        sink, kind
    )
    return sink.getvalue()


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGBA"), ("WEBP", "RGB")])
def test_images_become_small_jpegs(kind: str, mode: str) -> None:
    with Image.open(io.BytesIO(shrink(_image(kind, mode=mode)))) as small:
        assert small.format == "JPEG"
        assert small.size == (SIDE, SIDE // 2)


@pytest.mark.parametrize(
    "data", [b"", b"<html>", _image()[:100], b"\xff\xd8\xff" * 50, b"GIF89a" + b"\0" * 50]
)
def test_what_is_no_image_has_no_thumbnail(data: bytes) -> None:
    assert shrink(data) == b""


def test_answers_stand_in_the_order_of_the_images() -> None:
    source, sink = io.BytesIO(), io.BytesIO()
    for image in (_image(width=100, height=50), b"bad", _image(width=50, height=100)):
        source.write(struct.pack("<I", len(image)) + image)
    source.seek(0)
    serve(source, sink)
    first, second, third = frames(sink.getvalue())
    assert second == b""
    assert Image.open(io.BytesIO(first)).size == (100, 50)
    assert Image.open(io.BytesIO(third)).size == (50, 100)


def test_a_child_makes_them() -> None:
    made = make_thumbnails([_image(), None, b"bad", b"x" * (MAX_IMAGE_BYTES + 1), _image("PNG")])
    assert [thumbnail is not None for thumbnail in made] == [True, False, False, False, True]


def test_no_images_need_no_child() -> None:
    assert make_thumbnails([None, None], module="no.such.module") == [None, None]


def test_e4_an_image_that_kills_the_child_costs_itself_alone() -> None:
    made = make_thumbnails([b"a", b"b", b"die", b"c", b"die", b"d"], module="tests.unit.report.fragile_child")
    assert made == [b"a", b"b", None, b"c", None, b"d"]


def test_a_child_that_cannot_start_gives_nothing() -> None:
    assert make_thumbnails([b"a", b"b"], module="no.such.module") == [None, None]


def test_a_cut_stream_gives_its_whole_frames() -> None:
    assert frames(struct.pack("<I", 2) + b"ok" + struct.pack("<I", 9) + b"cut") == [b"ok"]
    assert frames(b"\0\0") == []
