"""Stored image bytes to pixels. Formats are told by content, never by name.

JPEGs without EXIF, which is what the pipeline itself stores, are decoded by libjpeg-turbo; everything else
goes through Pillow: first frame, turned upright, transparency over white, 8 bits per channel.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import simplejpeg
from PIL import Image, ImageOps, UnidentifiedImageError

from pairmill_models.embedder import Pixels
from pairmill_protos.common.v1.outcome_pb2 import Reason

MAX_PIXELS: Final = 89_478_485
"""More declared pixels than this are refused from the header."""

_FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_EXIF_WITHIN_BYTES: Final = 4096  # an EXIF segment, where there is one, stands near the start


class ImageError(Exception):
    """Bytes that give no picture, with the reason for their row."""

    def __init__(self, reason: Reason.ValueType, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def decode_rgb(data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Returns the picture, (h, w, 3) uint8 RGB; raises ImageError whatever is wrong with the bytes."""
    try:
        if data.startswith(b"\xff\xd8") and b"Exif\0" not in data[:_EXIF_WITHIN_BYTES]:
            picture = _plain_jpeg(data, max_pixels)
            if picture is not None:
                return picture
        return _any_format(data, max_pixels)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(Reason.REASON_NOT_AN_IMAGE, "no known image format") from error
    except Image.DecompressionBombError as error:
        raise ImageError(Reason.REASON_BOMB, str(error)) from error
    except Exception as error:
        raise ImageError(_reason_of(error), f"{type(error).__name__}: {error}") from error


def _plain_jpeg(data: bytes, max_pixels: int) -> Pixels | None:
    """Returns the picture of a grey or YCbCr JPEG, None for one of another colour space."""
    height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    if height * width > max_pixels:
        raise ImageError(Reason.REASON_BOMB, f"{width} x {height} pixels are declared")
    if colorspace not in ("Gray", "YCbCr"):
        return None
    return np.asarray(simplejpeg.decode_jpeg(data, "RGB"), dtype=np.uint8)


def _any_format(data: bytes, max_pixels: int) -> Pixels:
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        if image.width * image.height > max_pixels:
            detail = f"{image.width} x {image.height} pixels are declared"
            raise ImageError(Reason.REASON_BOMB, detail)
        upright = ImageOps.exif_transpose(image)
        return np.asarray(_flattened(upright), dtype=np.uint8)


def _flattened(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layers).convert("RGB")


def _reason_of(error: Exception) -> Reason.ValueType:
    text = str(error).lower()
    if any(word in text for word in ("truncated", "premature end", "unexpected end")):
        return Reason.REASON_TRUNCATED_IMAGE
    return Reason.REASON_DECODE_ERROR
