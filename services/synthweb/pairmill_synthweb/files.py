"""The picture files of a world, drawn when they are asked for."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from pairmill_synthweb.draft import look_number, scene_number
from pairmill_synthweb.encoding import encode
from pairmill_synthweb.painter import Painter, Pixels
from pairmill_synthweb.world import Damage, Picture, Redraws, Treatment

_SCALE: Final = 0.8
_GAIN: Final = 1.04
_LIFT: Final = 4.0
_NO_PIXELS: Final = frozenset({Damage.SCRAMBLED, Damage.GIANT})


class PictureFiles:
    """Gives the bytes of pictures. Thread-safe.

    With a folder, files that were drawn once are read from there, by whoever asks next.
    """

    def __init__(self, seed: int, redraws: Redraws, painter: Painter, folder: Path | None = None) -> None:
        self._seed = seed
        self._redraws = redraws
        self._painter = painter
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def bytes_of(self, picture: Picture) -> bytes:
        """Returns the file of a picture."""
        if self._folder is None:
            return self._drawn(picture)
        path = self._folder / self.name_of(picture)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            data = self._drawn(picture)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        unfinished.write_bytes(data)
        unfinished.replace(path)
        return data

    def _drawn(self, picture: Picture) -> bytes:
        if picture.damage in _NO_PIXELS:
            return encode(picture, np.zeros((1, 1, 3), dtype=np.uint8))
        pixels = self._painter.paint(
            self._scene(picture),
            look_number(self._seed, picture.group, self._redraws),
            width=picture.width,
            height=picture.height,
            unsafe=picture.unsafe,
            watermark=picture.watermark,
        )
        return encode(picture, treated(pixels, picture.treatment))

    def _scene(self, picture: Picture) -> int:
        return scene_number(self._seed, picture.group, self._redraws, roving=picture.roving)

    def name_of(self, picture: Picture) -> str:
        """Returns a name that changes with all that the bytes depend on."""
        look = look_number(self._seed, picture.group, self._redraws)
        text = f"{self._scene(picture)}/{look}/{picture!r}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def treated(pixels: Pixels, treatment: Treatment) -> Pixels:
    """Returns a drawing as a near-duplicate shows it."""
    match treatment:
        case Treatment.RESIZED:
            height, width = (round(side * _SCALE) for side in pixels.shape[:2])
            resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
            return np.asarray(resized, dtype=np.uint8)
        case Treatment.BRIGHTENED:
            brighter = pixels.astype(np.float32) * _GAIN + _LIFT
            return np.asarray(np.clip(brighter, 0, 255), dtype=np.uint8)
        case Treatment.NONE | Treatment.RECOMPRESSED:
            return pixels
