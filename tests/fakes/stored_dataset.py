"""A finished dataset with real tars, of any size, made quickly: pictures come from a small pool."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset import roles
from pairmill.dataset.manifest import MANIFEST_NAME, FileEntry, new_manifest
from pairmill.dataset.sample_json import sample_json
from pairmill.dataset.tar_writer import TarWriter
from pairmill.schemas import EMBEDDING_METADATA, SAMPLES, SHARD_INDEX, versioned
from tests.fakes.dataset_options import save_manifest, small_spec

LANGUAGES: Final = ("en", "en", "en", "de", "fr", None)
_JOB: Final = "j0123456789ab"
_ATTEMPT: Final = "0badcafe"
_POOL: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the dataset is like."""

    samples: int
    per_shard: int = 10_000
    dimensions: int = 16
    side: int = 128  # of the pictures, pixels
    without_image: float = 0.0  # share whose bytes were given up
    seed: int = 1


@dataclass(slots=True)
class _Shard:
    """Rows of one download unit in order of their keys."""

    name: str
    rows: list[dict[str, Any]]


def make_stored_dataset(folder: Path, shape: Shape) -> list[dict[str, Any]]:
    """Writes a dataset of complete shards into a folder; returns the rows of `data/`."""
    pool, entries, data = _pictures(shape), list[FileEntry](), list[dict[str, Any]]()
    for shard in _shards(shape):
        _write_tar(folder, shard, pool, entries)
        _write_index(folder, shard, entries)
        _write_embeddings(folder, shard, shape, entries)
        data.extend(shard.rows)
    for bucket in ("en", "multi", "nolang"):
        rows = sorted((row for row in data if _bucket(row) == bucket), key=lambda row: str(row["sample_id"]))
        if rows:
            path = f"data/{bucket}/part-{_JOB}.f00000-{_ATTEMPT}.parquet"
            _write_parquet(folder, path, rows, SAMPLES, roles.SAMPLES, entries)
    spec = small_spec(1)
    spec.job_id = _JOB
    spec.bundle.dimensions = shape.dimensions
    save_manifest(folder, new_manifest(spec=spec, state="complete", why=(), funnel=(), files=entries))
    _note_checksum(folder, MANIFEST_NAME)
    return data


def add_version(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Writes another version of `data/` as a refilter does: the same samples with other verdicts."""
    from pairmill.dataset.reader import Dataset

    kept = [entry for entry in Dataset.open(folder).files() if entry.role != roles.SAMPLES]
    path = f"data/en/part-j1.f00000-{_ATTEMPT}.parquet"
    _write_parquet(folder, path, rows, SAMPLES, roles.SAMPLES, kept)
    spec = small_spec(1)
    spec.job_id = "j1"
    save_manifest(folder, new_manifest(spec=spec, state="complete", why=(), funnel=(), files=kept))
    _note_checksum(folder, MANIFEST_NAME)


def _shards(shape: Shape) -> Iterator[_Shard]:
    draw = random.Random(shape.seed)
    for number, start in enumerate(range(0, shape.samples, shape.per_shard)):
        count = min(shape.per_shard, shape.samples - start)
        name = f"{_JOB}.w0000.r0000.d{number:05d}-{_ATTEMPT}"
        rows = [_row(draw, start + place, name, shape) for place in range(count)]
        yield _Shard(name, sorted(rows, key=lambda row: str(row["sample_id"])))


def _row(draw: random.Random, number: int, name: str, shape: Shape) -> dict[str, Any]:
    key = draw.randbytes(16).hex()
    host = f"h{min(int(draw.expovariate(0.2)), 60)}.test"
    facts = {
        "URL": f"https://{host}/{number}.jpg",
        "TEXT": f"picture {number} of a synthetic dataset, told at some length",
        "WIDTH": draw.randrange(200, 2000),
        "HEIGHT": draw.randrange(200, 2000),
        "similarity": draw.random(),
        "LANGUAGE": draw.choice(LANGUAGES),
        "hash": number,
        "punsafe": draw.random() * 0.4,
        "pwatermark": draw.random(),
        "AESTHETIC_SCORE": draw.gauss(5, 1),
        "toxicity": draw.random() * 0.1,
        "sample_id": key,
        "url_id": draw.randbytes(16).hex(),
        "md5": draw.randbytes(16).hex(),
        "content_sha256": draw.randbytes(32).hex(),
        "phash": draw.randbytes(8).hex(),
        "crawl": "CC-TEST",
        "verdict": "kept" if draw.random() < 0.8 else "filtered",
        "reason": "",
        "cluster_id": key,
        "shard": f"shards/{name}.tar" if draw.random() >= shape.without_image else None,
    }
    return dict.fromkeys(SAMPLES.names) | facts


def _bucket(row: dict[str, Any]) -> str:
    language = row["LANGUAGE"]
    return "nolang" if language is None else "en" if language == "en" else "multi"


def _pictures(shape: Shape) -> list[bytes]:
    """Returns a few noisy pictures as JPEG."""
    noise = np.random.default_rng(shape.seed)
    found = []
    for _ in range(_POOL):
        small = noise.integers(0, 255, (shape.side // 4, shape.side // 4, 3), dtype=np.uint8)
        picture = cv2.resize(small, (shape.side, shape.side), interpolation=cv2.INTER_LINEAR)
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
        found.append(data.tobytes())
    return found


def _write_tar(folder: Path, shard: _Shard, pool: list[bytes], entries: list[FileEntry]) -> None:
    path = folder / f"shards/{shard.name}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with TarWriter(path, checksums=True) as tar:
        for row in shard.rows:
            key = row["sample_id"]
            data = pool[int(key[:4], 16) % len(pool)] + bytes.fromhex(key)  # no two are equal
            placed = tar.add(f"{key}.jpg", data)
            tar.add(f"{key}.txt", row["TEXT"].encode())
            tar.add(f"{key}.json", sample_json(_described(row), SHARD_INDEX))
            if row["shard"] is not None:
                row["tar_offset"], row["tar_size"] = placed.offset, placed.size
    entries.append(_entry(folder, f"shards/{shard.name}.tar", roles.SHARD, len(shard.rows)))


def _described(row: dict[str, Any]) -> dict[str, Any]:
    named = {"key": "sample_id", "url": "URL", "caption": "TEXT", "language": "LANGUAGE"}
    others = {"original_width": "WIDTH", "original_height": "HEIGHT", "sample_id": "sample_id", "md5": "md5"}
    return {name: row[column] for name, column in (named | others).items()}


def _write_index(folder: Path, shard: _Shard, entries: list[FileEntry]) -> None:
    fetched = datetime(2024, 3, 1, tzinfo=UTC)
    rows = [
        dict.fromkeys(SHARD_INDEX.names)
        | _described(row)
        | {"status": "success", "outcome": "passed", "reason": "", "fetched_at": fetched}
        | {"host": row["URL"].split("/")[2], "phash": row["phash"]}
        for row in shard.rows
    ]
    _write_parquet(folder, f"shards/{shard.name}.parquet", rows, SHARD_INDEX, roles.SHARD_INDEX, entries)


def _write_embeddings(folder: Path, shard: _Shard, shape: Shape, entries: list[FileEntry]) -> None:
    unit = shard.name.replace(f"-{_ATTEMPT}", f".e-{_ATTEMPT}")
    draw = np.random.default_rng([shape.seed, int(shard.name[-14:-9])])
    for folder_name, role in (("img_emb", roles.IMAGE_EMBEDDINGS), ("text_emb", roles.TEXT_EMBEDDINGS)):
        vectors = draw.standard_normal((len(shard.rows), shape.dimensions)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        path = f"embeddings/{folder_name}/{folder_name}_{unit}.npy"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / path, vectors.astype("<f2"))
        entries.append(_entry(folder, path, role, len(shard.rows)))
    rows = [
        {
            "key": row["sample_id"],
            "sample_id": row["sample_id"],
            "url": row["URL"],
            "caption": row["TEXT"],
            "image_path": f"shards/{shard.name}.tar:{row['sample_id']}.jpg",
            "model": "tiny",
            "model_version": "1",
        }
        for row in shard.rows
    ]
    path = f"embeddings/metadata/metadata_{unit}.parquet"
    _write_parquet(folder, path, rows, EMBEDDING_METADATA, roles.EMBEDDING_METADATA, entries)


def _write_parquet(
    folder: Path,
    path: str,
    rows: list[dict[str, Any]],
    schema: pa.Schema,
    role: str,
    entries: list[FileEntry],
) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=versioned(schema)), folder / path, row_group_size=5000)
    entries.append(_entry(folder, path, role, len(rows)))


def _entry(folder: Path, path: str, role: str, rows: int) -> FileEntry:
    digest = _note_checksum(folder, path)
    size = (folder / path).stat().st_size
    return FileEntry(path=path, role=role, rows=rows, bytes=size, sha256=digest)


def _note_checksum(folder: Path, path: str) -> str:
    """Writes what a directory store keeps beside an object."""
    with (folder / path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    checksum = folder / ".checksums" / path
    checksum.parent.mkdir(parents=True, exist_ok=True)
    checksum.write_text(digest)
    return digest
