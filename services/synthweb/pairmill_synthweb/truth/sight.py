"""A picture file as the pipeline gets to see it: its bytes, its look, and what the model is shown."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from pairmill_models.bundle import Resize
from pairmill_models.preprocessing import fit_square
from pairmill_synthweb.painter import Pixels
from pairmill_synthweb.truth.perceptual import PerceptualHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How pictures are stored and shown to the model."""

    image_size: int  # longest shorter side as stored, pixels
    jpeg_quality: int
    model_size: int  # side of the square that the model takes
    resize: Resize = "crop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is to be seen of a file."""

    content_sha256: str  # of the bytes, hex
    width: int  # upright, as fetched
    height: int
    phash: int  # 64 bits
    square: Pixels  # the model's input


def see(data: bytes, storage: Storage, phash: PerceptualHash) -> Sight:
    """Returns what is to be seen of a file: decoded, upright, shrunk, stored as JPEG and decoded again."""
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=np.uint8)
    height, width = upright.shape[:2]
    stored = _through_jpeg(_shrunk(upright, storage.image_size), storage.jpeg_quality)
    return Sight(
        content_sha256=hashlib.sha256(data).hexdigest(),
        width=width,
        height=height,
        phash=phash(upright),
        square=fit_square(stored, storage.model_size, storage.resize),
    )


def _shrunk(pixels: Pixels, size: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = size / min(height, width)
    if scale >= 1:
        return pixels
    sides = round(width * scale), round(height * scale)
    return np.asarray(cv2.resize(pixels, sides, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _through_jpeg(pixels: Pixels, quality: int) -> Pixels:
    data = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality, colorsubsampling="420")
    return np.asarray(simplejpeg.decode_jpeg(data, "RGB"), dtype=np.uint8)
