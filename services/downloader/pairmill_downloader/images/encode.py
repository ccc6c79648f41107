"""Pixels to the bytes that are stored; the same pixels and rules give the same bytes."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from pairmill_protos.job.v1.job_pb2 import ImageRules

Pixels = npt.NDArray[np.uint8]

STORED_AS: Final = {"jpeg": "jpg", "png": "png", "webp": "webp"}
"""Formats that may be stored as they were fetched, with the file name's ending."""

_PNG_LEVEL: Final = 6
_WEBP_METHOD: Final = 4


def encoded(picture: Pixels, rules: ImageRules) -> bytes:
    """Returns the picture in the rules' format; raises ValueError for one that is not known."""
    match rules.encode_format:
        case "jpg":
            data = simplejpeg.encode_jpeg(
                np.ascontiguousarray(picture), rules.jpeg_quality, "RGB", colorsubsampling="420"
            )
            return bytes(data)
        case "png":
            return _by_pillow(picture, "PNG", compress_level=_PNG_LEVEL)
        case "webp":
            return _by_pillow(picture, "WEBP", quality=rules.jpeg_quality, method=_WEBP_METHOD)
        case other:
            raise ValueError(f"there is no encoder for {other!r}")


def _by_pillow(picture: Pixels, name: str, **options: int) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, name, **options)
    return sink.getvalue()
