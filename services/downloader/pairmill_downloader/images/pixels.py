"""Image bytes to pixels, (h, w, 3) uint8 RGB, upright.

JPEGs in grey or YCbCr are decoded by libjpeg-turbo, big ones at a fraction of their size; all else goes
through Pillow. Of animations and multi-page files the first picture counts. Transparency lies over white,
16 bits become 8 by their upper half, colour profiles are not applied. What ends early is refused rather
than shown in part.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from pairmill_downloader.images.container import (
    is_cut_by_container,
    looks_cut,
    png_lacks_pixels,
    png_without_metadata,
)
from pairmill_downloader.images.exif import exif_json, orientation_of
from pairmill_downloader.images.optouts import png_chunks
from pairmill_downloader.images.refusal import Refusal
from pairmill_protos.common.v1.outcome_pb2 import Reason

Pixels = npt.NDArray[np.uint8]

_DECODERS: Final = {
    "jpeg": ("JPEG", "MPO"),
    "png": ("PNG",),
    "webp": ("WEBP",),
    "gif": ("GIF",),
    "avif": ("AVIF",),
    "bmp": ("BMP",),
    "tiff": ("TIFF",),
}
_TURNED_BY_DECODER: Final = frozenset({"tiff"})
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")
_CUT_WORDS: Final = ("truncated", "premature end", "unexpected end", "not enough data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file declares, before its pixels are decoded."""

    width: int  # upright
    height: int
    orientation: int  # 1..8, still to be applied
    exif: str | None  # JSON


class OpenImage:
    """An image whose header was read."""

    def __init__(self, data: bytes, name: str, image: ImageFile.ImageFile) -> None:
        self._data = data
        self._name = name
        self._image = image
        if name == "png":
            image.info["exif"] = _png_exif(data, image)  # or Pillow decodes all pixels to look for it
        self.header = _header(image, name)

    def pixels(self, least_width: int, least_height: int) -> Pixels:
        """Returns the upright picture, at its own size or smaller, but not below the least size given.

        Raises Refusal where the pixels cannot be had.
        """
        if is_cut_by_container(self._data, self._name):
            raise Refusal(Reason.REASON_TRUNCATED_IMAGE, "the file is shorter than it declares")
        if self.header.orientation in _SIDEWAYS:
            least_width, least_height = least_height, least_width
        picture = None
        if self._name == "jpeg":
            picture = _jpeg(self._data, self._image.mode, least_width, least_height)
        if picture is None:
            if self._name == "png" and not self._image.tile:
                raise Refusal(Reason.REASON_DECODE_ERROR, "there are no pixels to decode")
            self._image.load()
            picture = _rgb(self._image)
            if self._name == "png" and self._may_lack_pixels() and png_lacks_pixels(self._data):
                raise Refusal(Reason.REASON_TRUNCATED_IMAGE, "the data end before the last pixel")
        return _upright(picture, self.header.orientation)

    def _may_lack_pixels(self) -> bool:
        """Whether pixels that never came could be there: they are zero, the last ones first."""
        last = self._image.crop((0, self._image.height - 1, *self._image.size))
        return bool(self._image.info.get("interlace")) or not any(last.tobytes())


@contextmanager
def opened(data: bytes, name: str, max_pixels: int) -> Iterator[OpenImage]:
    """Opens an image of a known format; every failure, within the context too, is raised as Refusal.

    `max_pixels` is the most that any frame or canvas may declare.
    """
    try:
        Image.MAX_IMAGE_PIXELS = max(1, max_pixels // 2)  # Pillow refuses twice as many
        with warnings.catch_warnings(action="ignore"), _open(data, name) as image:
            yield OpenImage(data, name, image)
    except Refusal:
        raise
    except Image.DecompressionBombError as error:
        raise Refusal(Reason.REASON_BOMB, str(error)) from error
    except MemoryError as error:
        raise Refusal(Reason.REASON_BOMB, "it needs more memory than a decoder may use") from error
    except Exception as error:
        raise Refusal(_reason_of(error, data, name), f"{type(error).__name__}: {error}") from error


def _open(data: bytes, name: str) -> ImageFile.ImageFile:
    formats = _DECODERS[name]
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except (UnidentifiedImageError, ValueError, OSError):
        if name != "png":
            raise
        return Image.open(io.BytesIO(png_without_metadata(data)), formats=formats)


def _header(image: Image.Image, name: str) -> Header:
    orientation, exif = 1, None
    try:
        tags = image.getexif()
        orientation, exif = orientation_of(tags), exif_json(tags)
    except Exception:  # noqa: BLE001, S110 - broken metadata is dropped, the image is kept
        pass
    if name in _TURNED_BY_DECODER:
        orientation = 1
    width, height = image.size
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Header(width=width, height=height, orientation=orientation, exif=exif)


def _png_exif(data: bytes, image: Image.Image) -> bytes:
    """Returns the EXIF block of a PNG, wherever it stands; empty if there is none."""
    block = next((content for kind, content in png_chunks(data) if kind == b"eXIf"), b"")
    raw = image.info.get("Raw profile type exif")  # as ImageMagick writes it: a heading, then hex digits
    if not block and isinstance(raw, str):
        digits = "".join(raw.split("\n")[3:])
        return bytes.fromhex(digits) if _HEX.fullmatch(digits) else b""
    return b"Exif\0\0" + block if block else b""


def _jpeg(data: bytes, mode: str, least_width: int, least_height: int) -> Pixels | None:
    """Returns the picture of a grey or YCbCr JPEG, or None for one that needs the lenient decoder."""
    colours = "CMYK" if mode == "CMYK" else "RGB"
    try:
        if mode == "CMYK":  # converted by Pillow, but checked for its end here, where that is noticed
            simplejpeg.decode_jpeg(data, colours, min_factor=8)
            return None
        scale = {"min_width": least_width, "min_height": least_height, "min_factor": 2}
        return np.asarray(simplejpeg.decode_jpeg(data, colours, **scale), dtype=np.uint8)
    except ValueError as error:
        if "remature end" in str(error):
            raise Refusal(Reason.REASON_TRUNCATED_IMAGE, str(error)) from error
        return None


def _rgb(image: Image.Image) -> Pixels:
    """Returns the pixels of any mode of Pillow's as RGB."""
    if image.mode.startswith("I;16"):
        return _grey((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        return _grey(_narrowed(np.asarray(image)))
    if image.mode == "LAB":
        profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        image = ImageCms.applyTransform(image, ImageCms.buildTransform(*profiles, "LAB", "RGB")) or image
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        white = Image.new("RGB", layers.size, (255, 255, 255))
        white.paste(layers, mask=layers.getchannel("A"))
        return np.asarray(white)
    return np.asarray(image.convert("RGB"))


def _narrowed(values: npt.NDArray[Any]) -> Pixels:
    """Brings wide numbers to 8 bits: reals up to 1 are shares, whole numbers above 255 have 16 bits."""
    values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=math.inf, neginf=0.0)
    most = float(values.max(initial=0.0))
    if most <= 1.0:
        values = values * 255
    elif most > 255:
        values = np.minimum(values, 65535) // 256
    narrow: Pixels = np.clip(values, 0, 255).astype(np.uint8)
    return narrow


def _grey(values: Pixels) -> Pixels:
    return np.repeat(values[:, :, None], 3, axis=2)


def _upright(picture: Pixels, orientation: int) -> Pixels:
    """Undoes the EXIF orientation."""
    if orientation in _SIDEWAYS:
        picture = picture.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _reason_of(error: Exception, data: bytes, name: str) -> Reason.ValueType:
    text = str(error).lower()
    if any(word in text for word in _CUT_WORDS) or looks_cut(data, name):
        return Reason.REASON_TRUNCATED_IMAGE
    return Reason.REASON_DECODE_ERROR
