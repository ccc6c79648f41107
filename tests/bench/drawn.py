"""Pictures and captions to measure with: drawn scenes as JPEG files, each a different one."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import cv2

from pairmill_models.tiny.scenes import ScenePainter

STORED: Final = ((384, 384), (512, 384), (384, 576), (320, 240), (682, 384))
"""Widths and heights as the pipeline stores pictures: the shorter side at most 384."""


def drawn_jpegs(count: int, sizes: Sequence[tuple[int, int]], quality: int) -> Iterator[bytes]:
    """Yields JPEG files of different scenes, their sizes in turn."""
    painter = ScenePainter()
    for number in range(count):
        width, height = sizes[number % len(sizes)]
        pixels = painter.paint(number, 1, width=width, height=height)
        _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        yield data.tobytes()


def write_drawn_shard(path: Path, pairs: int) -> None:
    """Writes a WebDataset tar of drawn pictures with captions in all languages."""
    painter = ScenePainter()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, data in enumerate(drawn_jpegs(pairs, STORED, quality=95)):
            language = painter.languages[number % len(painter.languages)]
            caption = painter.caption(number, language, number)
            facts = {"url": f"https://pictures.example/{number}.jpg", "caption": caption}
            members = {"jpg": data, "txt": caption.encode(), "json": json.dumps(facts).encode()}
            for ending, content in members.items():
                header = tarfile.TarInfo(f"{number:09d}.{ending}")
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))
