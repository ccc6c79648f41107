"""Every kind of bytes gives an image to store or a reason, never an exception (E)."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pairmill.jobspec.profiles import profile
from pairmill.reasons import reason_name
from pairmill_downloader.images.examine import Examined, examine
from pairmill_downloader.images.phash import distance
from pairmill_downloader.images.pixels import opened
from pairmill_protos.job.v1.job_pb2 import ImageRules, ResizeMode
from tests.fakes.shard import Pixels, drawn_picture

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
ORIENTED = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")


def rules(**changed: Any) -> ImageRules:
    made = profile("everything").image
    for name, value in changed.items():
        if name == "formats":
            del made.formats[:]
            made.formats.extend(value)
        else:
            setattr(made, name, value)
    return made


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def drawn(width: int = 120, height: int = 80, seed: int = 1) -> Image.Image:
    return Image.fromarray(drawn_picture(seed, width, height))


def pixels_of(found: Examined) -> Pixels:
    assert found.stored is not None, found.detail
    return np.asarray(Image.open(io.BytesIO(found.stored.data)))


def reason_of(data: bytes, **changed: Any) -> str:
    return reason_name(examine(data, rules(**changed)).reason)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, stream: bytes) -> bytes:
    """A PNG whose checksums are right, whatever its compressed pixels are."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


def png(width: int, height: int, body: bytes = b"") -> bytes:
    return png_of(width, height, zlib.compress(body))


@pytest.mark.parametrize("kind", FORMATS)
def test_all_accepted_formats_are_told_by_content_and_stored_upright(kind: str) -> None:
    found = examine(saved(drawn(), kind), rules(encode_format="png"))
    assert (found.format, found.original_width, found.original_height) == (kind.lower(), 120, 80)
    close = np.abs(pixels_of(found).astype(int) - np.asarray(drawn()).astype(int)).mean()
    assert close < (12 if kind in ("GIF", "AVIF", "WEBP", "JPEG") else 0.01)


@pytest.mark.parametrize("kind", ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_e9_all_orientations_give_the_same_upright_picture(kind: str, orientation: int) -> None:
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    upright = drawn()
    turned = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = examine(saved(turned, kind, exif=exif), rules(encode_format="png"))
    assert (found.original_width, found.original_height) == (120, 80)
    assert np.abs(pixels_of(found).astype(int) - np.asarray(upright).astype(int)).mean() < 12


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("tenths", range(1, 10))
def test_e3_what_ends_early_is_refused_rather_than_stored_in_part(kind: str, tenths: int) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (80, 120, 3), dtype=np.uint8))
    whole = saved(noise, kind)
    found = examine(whole[: len(whole) * tenths // 10], rules())
    assert found.stored is None
    assert reason_name(found.reason) in ("truncated_image", "decode_error")
    if tenths >= 5:
        assert reason_name(found.reason) == "truncated_image"


def test_e3_a_jpeg_cut_and_closed_again_is_no_grey_half() -> None:
    whole = saved(drawn(400, 300), "JPEG", quality=95)
    assert reason_of(whole[: len(whole) // 2] + b"\xff\xd9") == "truncated_image"
    cmyk = saved(drawn(400, 300).convert("CMYK"), "JPEG", quality=95)
    assert reason_of(cmyk[: len(cmyk) // 2] + b"\xff\xd9") == "truncated_image"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "not_an_image", id="e12-empty"),
        pytest.param(b"\xff", "not_an_image", id="e12-one-byte"),
        pytest.param(b"<!DOCTYPE html><html><body>not found</body></html>", "not_an_image", id="e12-html"),
        pytest.param(b"<html><body><svg></svg></body></html>", "not_an_image", id="e12-html-with-a-drawing"),
        pytest.param(b"PK\x03\x04" + bytes(60), "not_an_image", id="e12-zip"),
        pytest.param(b"BM just text that begins so", "not_an_image", id="e12-text-like-a-bitmap"),
        pytest.param(b"RIFF\x10\0\0\0WAVEfmt ", "not_an_image", id="e12-sound"),
        pytest.param(b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "not_an_image", id="e12-film"),
        pytest.param(
            b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="x"/>', "unsupported_format", id="e7-svg"
        ),
        pytest.param(
            b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
            "unsupported_format",
            id="e7-svg-with-entity",
        ),
        pytest.param(b"<!---->" * 2000 + b"<html>", "not_an_image", id="e7-comments-without-end"),
        pytest.param(b"8BPS\0\1" + bytes(40), "unsupported_format", id="e6-psd"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported_format", id="e6-eps"),
        pytest.param(b"%PDF-1.7\n", "unsupported_format", id="e6-pdf"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "unsupported_format", id="e6-heic"),
        pytest.param(b"\xff\x0a" + bytes(40), "unsupported_format", id="e6-jxl"),
        pytest.param(b"\0\0\1\0\1\0" + bytes(40), "unsupported_format", id="e6-ico"),
        pytest.param(b"P6\n2 2\n255\n" + bytes(12), "unsupported_format", id="e6-pnm"),
        pytest.param(png(50_000, 50_000), "bomb", id="e1-png-of-2500-megapixels"),
        pytest.param(png(12_000, 12_000), "image_too_large", id="e13-png-of-144-megapixels"),
        pytest.param(png(64, 64, bytes(2**20)), "", id="e1-more-data-than-pixels"),
        pytest.param(png(64, 64, (b"\0" + b"\x99" * 192) * 40), "truncated_image", id="e3-rows-missing"),
        pytest.param(png(64, 64, (b"\0" + bytes(192)) * 64), "", id="e3-black-to-the-end"),
        pytest.param(png_of(64, 64, bytes(range(256))), "decode_error", id="e4-png-of-noise"),
    ],
)
def test_bytes_are_judged_by_their_content(data: bytes, reason: str) -> None:
    assert reason_of(data) == reason


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP", "TIFF"])
def test_e2_a_header_that_lies_about_the_size_is_refused_from_the_header(kind: str) -> None:
    data = bytearray(saved(drawn(300, 200), kind, **({"lossless": True} if kind == "WEBP" else {})))
    match kind:
        case "GIF":
            data[6:10] = struct.pack("<HH", 65535, 65535)
        case "BMP":
            data[18:26] = struct.pack("<ii", 60_000, 60_000)
        case "WEBP":
            start = data.index(b"VP8L") + 9
            data[start : start + 4] = struct.pack("<I", (16383 << 14) | 16383)
        case _:
            place = data.index(struct.pack("<HH", 256, 4))
            data[place + 8 : place + 12] = struct.pack("<I", 2**28)
    found = examine(bytes(data), rules())
    assert found.stored is None
    assert reason_name(found.reason) in ("bomb", "decode_error", "truncated_image")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(Image.new("L", (64, 64), 100), (100, 100, 100), id="grey"),
        pytest.param(Image.new("1", (64, 64), 1), (255, 255, 255), id="one-bit"),
        pytest.param(Image.new("RGBA", (64, 64), (255, 0, 0, 0)), (255, 255, 255), id="e13-transparent"),
        pytest.param(Image.new("RGBA", (64, 64), (0, 0, 0, 51)), (204, 204, 204), id="translucent"),
        pytest.param(Image.new("LA", (64, 64), (0, 0)), (255, 255, 255), id="grey-alpha"),
        pytest.param(
            Image.fromarray(np.full((64, 64), 0x8040, dtype=np.uint16)), (128, 128, 128), id="16-bit"
        ),
        pytest.param(Image.new("RGB", (64, 64), (9, 20, 31)).quantize(), (9, 20, 31), id="palette"),
    ],
)
def test_e8_all_kinds_of_pixels_become_eight_bit_rgb(
    image: Image.Image, expected: tuple[int, int, int]
) -> None:
    found = pixels_of(examine(saved(image), rules(encode_format="png")))
    assert found.shape == (64, 64, 3)
    assert np.abs(found.reshape(-1, 3).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), (255, 0, 0), id="cmyk"),
        pytest.param(Image.new("F", (64, 64), 0.5), (127, 127, 127), id="shares"),
        pytest.param(Image.new("I", (64, 64), 65535), (255, 255, 255), id="32-bit"),
        pytest.param(Image.new("LAB", (64, 64), (255, 128, 128)), (255, 255, 255), id="lab"),
    ],
)
def test_e8_rarer_kinds_of_pixels_in_tiff(image: Image.Image, expected: tuple[int, int, int]) -> None:
    found = pixels_of(examine(saved(image, "TIFF"), rules(encode_format="png")))
    assert np.abs(found.reshape(-1, 3).astype(int) - expected).max() <= 2


def test_e11_of_an_animation_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        colour = pixels_of(examine(data, rules(encode_format="png"))).reshape(-1, 3).mean(axis=0)
        assert colour[0] > 200
        assert colour[1:].max() < 60


def test_e10_broken_metadata_is_dropped_and_the_image_kept() -> None:
    bombs = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(2**21))) + chunk(b"iCCP", b"x\0\0no profile")
    plain = saved(drawn())
    assert reason_of(plain[:33] + bombs + plain[33:]) == ""
    jpeg = saved(drawn(), "JPEG")
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(200))
    hostile = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
    assert reason_of(hostile) == ""


def test_e1_the_header_of_a_png_is_told_without_decoding_its_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    block = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    whole = png_of(300, 200, b"no pixels at all")
    for data in (whole[:33] + block + whole[33:], whole[:-12] + block + whole[-12:]):
        with opened(data, "png", 10**9) as image:
            header = image.header
        assert (header.width, header.height, header.orientation) == (200, 300, 6)


def test_exif_is_told_without_the_place_it_was_taken_at() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0131] = "Maker\0", "Software ☃"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    found = examine(saved(drawn(), "JPEG", exif=exif), rules())
    facts = json.loads(found.exif or "")
    assert facts["Make"] == "Maker"
    assert "GPSInfo" not in facts


def test_formats_outside_the_jobs_list_are_unsupported() -> None:
    found = examine(saved(drawn(), "GIF"), rules(formats=["jpeg", "png"]))
    assert (reason_name(found.reason), found.detail) == ("unsupported_format", "gif")


@pytest.mark.parametrize(
    ("size", "reason"),
    [((63, 200), "image_too_small"), ((64, 64), ""), ((400, 100), ""), ((401, 100), "aspect_ratio")],
)
def test_e13_sides_and_their_ratio_are_limited(size: tuple[int, int], reason: str) -> None:
    for width, height in (size, size[::-1]):
        data = saved(Image.new("RGB", (width, height)))
        assert reason_of(data, min_side=64, max_aspect_ratio=4.0) == reason


@pytest.mark.parametrize("encode_format", ["jpg", "png", "webp"])
def test_stored_bytes_are_of_the_format_asked_for(encode_format: str) -> None:
    found = examine(saved(drawn(), "BMP"), rules(encode_format=encode_format))
    assert found.stored is not None
    kind = Image.open(io.BytesIO(found.stored.data)).format
    assert kind == {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[encode_format]


def test_bytes_are_kept_as_fetched_only_where_nothing_had_to_be_done() -> None:
    small, large = saved(drawn(), "JPEG"), saved(drawn(600, 500), "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(drawn(), "JPEG", exif=exif)
    kept = {
        name: found.stored.data == data
        for name, data in {"small": small, "large": large, "turned": turned, "png": saved(drawn())}.items()
        if (found := examine(data, rules(skip_reencode=True))).stored is not None
    }
    assert kept == {"small": True, "large": False, "turned": False, "png": False}


def test_hashes_are_of_the_fetched_bytes_for_failures_too() -> None:
    found = examine(b"abc", rules())
    assert found.hashes.md5 == "900150983cd24fb0d6963f7d28e17f72"
    assert found.hashes.sha1 == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert found.hashes.sha256.startswith("ba7816bf8f01cfea")


def test_equal_bytes_give_equal_results() -> None:
    data = saved(drawn(900, 700), "JPEG")
    assert examine(data, rules()) == examine(data, rules())


def test_the_perceptual_hash_does_not_depend_on_what_is_stored() -> None:
    data = saved(drawn(900, 500), "PNG")
    modes = [ResizeMode.RESIZE_MODE_KEEP_RATIO, ResizeMode.RESIZE_MODE_CENTER_CROP, ResizeMode.RESIZE_MODE_NO]
    found = [examine(data, rules(resize_mode=mode)).stored for mode in modes]
    assert len({stored.phash for stored in found if stored is not None}) == 1


def test_a_large_jpeg_decoded_at_a_fraction_looks_the_same() -> None:
    coarse = np.random.default_rng(2).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    whole = Image.fromarray(coarse).resize((2000, 1500), Image.Resampling.BICUBIC)
    scaled = examine(saved(whole, "JPEG", quality=95), rules(encode_format="png"))
    exact = examine(saved(whole, "PNG"), rules(encode_format="png"))
    difference = np.abs(pixels_of(scaled).astype(int) - pixels_of(exact).astype(int))
    assert pixels_of(scaled).shape == (384, 512, 3)
    assert difference.mean() < 2
    assert scaled.stored is not None
    assert exact.stored is not None
    assert distance(scaled.stored.phash, exact.stored.phash) <= 2


def test_a_refusal_within_the_context_leaves_nothing_open() -> None:
    with opened(saved(drawn()), "png", 10**9) as image:
        assert image.header.width == 120
