"""Shards as a download unit leaves them: a tar in WebDataset's layout and its index."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from pairmill.ids import sample_id, to_hex, url_id
from pairmill.reasons import RULES_VERSION
from pairmill.schemas import SHARD_INDEX, versioned

Pixels = npt.NDArray[np.uint8]


@dataclass(kw_only=True)
class Row:
    """A row of a shard; one without an image failed to download."""

    text: str
    image: bytes | None
    url: str = ""
    language: str | None = "en"
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.url = self.url or f"https://host.test/{self.text.replace(' ', '-')}.jpg"

    @property
    def key(self) -> str:
        return to_hex(sample_id(self.url, self.text))


@dataclass(kw_only=True)
class Shard:
    """The bytes of a shard's files, and its rows in their order there."""

    tar: bytes
    index: bytes
    rows: list[Row]


def drawn_picture(seed: int, width: int = 48, height: int = 40) -> Pixels:
    """Returns a smooth picture that differs from seed to seed."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(x * draw.uniform(0.05, 0.4) + y * draw.uniform(0.05, 0.4) + draw.uniform(0, 6))
        for _ in range(3)
    ]
    return np.asarray((np.stack(waves, axis=-1) + 1) * 127.5, dtype=np.uint8)


def jpeg(picture: Pixels) -> bytes:
    """Returns a picture as JPEG."""
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=95))


def row(number: int, text: str = "", **extra: Any) -> Row:
    """Returns a downloaded row with a picture of its own."""
    return Row(text=text or f"picture number {number}", image=jpeg(drawn_picture(number)), extra=extra)


def build_shard(rows: Iterable[Row], *, ending: str = "jpg") -> Shard:
    """Returns the shard of rows, sorted by key."""
    ordered = sorted(rows, key=lambda row: row.key)
    sink = io.BytesIO()
    places: dict[str, tuple[int, int]] = {}
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for item in ordered:
            if item.image is not None:
                places[item.key] = (sink.tell() + tarfile.BLOCKSIZE, len(item.image))
                facts = json.dumps({"url": item.url, "sample_id": item.key}).encode()
                _add(tar, f"{item.key}.{ending}", item.image)
                _add(tar, f"{item.key}.txt", item.text.encode())
                _add(tar, f"{item.key}.json", facts)
    table = pa.Table.from_pylist(
        [_index_row(item, places.get(item.key)) for item in ordered], schema=versioned(SHARD_INDEX)
    )
    index = io.BytesIO()
    pq.write_table(table, index)
    return Shard(tar=sink.getvalue(), index=index.getvalue(), rows=ordered)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _index_row(item: Row, place: tuple[int, int] | None) -> dict[str, Any]:
    facts = {
        "key": item.key,
        "sample_id": item.key,
        "url_id": to_hex(url_id(item.url)),
        "url": item.url,
        "caption": item.text,
        "outcome": "passed" if place else "failed",
        "reason": "" if place else "http_4xx",
        "status": "success" if place else "failed_to_download",
        "rule_version": RULES_VERSION,
        "language": item.language,
        "domain": "host.test",
        "width": 48,
        "height": 40,
        "original_width": 96,
        "original_height": 80,
        "tar_offset": place[0] if place else None,
        "tar_size": place[1] if place else None,
    }
    unknown = dict.fromkeys(SHARD_INDEX.names)
    return {**unknown, **facts, **item.extra}
