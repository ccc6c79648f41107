"""A dataset of any size whose vectors have clusters, for indices: `data/`, embeddings and manifest alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pairmill.dataset import roles
from pairmill.dataset.manifest import FileEntry, new_manifest
from pairmill.dataset.reader import Dataset
from pairmill.idarrays import ascending, find, hex_of
from pairmill_protos.job.v1.job_pb2 import JobSpec

Floats = npt.NDArray[np.float32]
BUCKETS = ("en", "multi", "nolang")


def clustered(rows: int, dimensions: int, seed: int = 1, *, clusters: int = 0, spread: float = 0.9) -> Floats:
    """Returns unit vectors in clusters of clusters, of very different sizes: no white noise."""
    draw = np.random.default_rng(seed)
    clusters = clusters or max(8, rows // 200)
    shared = np.random.default_rng(7)  # the same themes whatever the seed
    themes = shared.standard_normal((clusters // 20 + 1, dimensions), dtype=np.float32)
    centres = 0.8 * themes[shared.integers(len(themes), size=clusters)]
    centres += 0.7 * shared.standard_normal((clusters, dimensions), dtype=np.float32)
    share = shared.zipf(1.6, size=clusters).clip(1, 50).astype(np.float64)
    chosen = draw.choice(clusters, size=rows, p=share / share.sum())
    scale = (np.arange(1, dimensions + 1) ** -0.35).astype(np.float32)
    scale *= spread / np.sqrt((scale**2).mean())
    vectors = draw.standard_normal((rows, dimensions), dtype=np.float32)
    vectors *= scale
    vectors += centres[chosen]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def beside(vectors: Floats, seed: int, noise: float = 0.6) -> Floats:
    """Returns unit vectors near to these, as those of the other modality are."""
    draw = np.random.default_rng(seed)
    scale = np.float32(noise / np.sqrt(vectors.shape[1]))
    near = vectors + draw.standard_normal(vectors.shape, dtype=np.float32) * scale
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    return near


@dataclass
class VectorDataset:
    """Writes a dataset and its later versions into a folder."""

    folder: Path
    dimensions: int = 32
    seed: int = 1
    shard_rows: int = 5_000
    buckets: tuple[str, ...] = BUCKETS
    drawn: Callable[[int, int], Floats] | None = None  # image vectors, by the rows of a shard and its number
    ids: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 2), np.uint64))
    unembedded: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 2), np.uint64))
    failed: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 2), np.uint64))
    _files: list[FileEntry] = field(default_factory=list)
    _shards: int = 0
    _versions: int = 0

    def add(self, rows: int) -> None:
        """Writes the embeddings of that many new samples."""
        for start in range(0, rows, self.shard_rows):
            self._shard(min(self.shard_rows, rows - start))

    def publish(self, *, without: npt.NDArray[np.uint64] | None = None) -> Dataset:
        """Writes `data/` of all samples, but those whose ids are given, and the manifest; opens it."""
        self._versions += 1
        files = [*self._files, *self._data(without)]
        spec = JobSpec(job_id=f"j{self._versions:012d}")
        spec.bundle.name, spec.bundle.revision = "drawn", "1"
        spec.bundle.digest, spec.bundle.dimensions = "ab" * 32, self.dimensions
        manifest = new_manifest(spec=spec, state="complete", why=(), funnel=(), files=files)
        (self.folder / "dataset.json").write_bytes(manifest.to_json())
        return Dataset.open(self.folder)

    def _shard(self, rows: int) -> None:
        number = f"j{1:012d}.w0000.r0000.d{self._shards:05d}.e-{self._shards:08x}"
        draw = np.random.default_rng((self.seed, self._shards))
        ids = draw.integers(0, 2**64, size=(rows, 2), dtype=np.uint64)
        image = self._images(rows)
        text = beside(image, self._shards)
        shard = f"shards/j{1:012d}.w0000.r0000.d{self._shards:05d}-{self._shards:08x}"
        self._shards += 1
        self.ids = np.concatenate([self.ids, ids])
        key = hex_of(ids)
        self._array(f"embeddings/img_emb/img_emb_{number}.npy", roles.IMAGE_EMBEDDINGS, image)
        self._array(f"embeddings/text_emb/text_emb_{number}.npy", roles.TEXT_EMBEDDINGS, text)
        paths = _joined(f"{shard}.tar/", key, ".jpg")
        columns = {"key": key, "sample_id": key, "image_path": paths}
        self._table(
            f"embeddings/metadata/metadata_{number}.parquet", roles.EMBEDDING_METADATA, pa.table(columns)
        )
        hosts = pa.array([f"host{one}.example" for one in draw.integers(0, 50, rows)])
        times = pa.array(draw.integers(1, 10**15, rows), pa.timestamp("us", tz="UTC"))
        self._table(
            f"{shard}.parquet",
            roles.SHARD_INDEX,
            pa.table({"sample_id": key, "host": hosts, "fetched_at": times}),
        )

    def _images(self, rows: int) -> Floats:
        if self.drawn is not None:
            return self.drawn(rows, self._shards)
        return clustered(rows, self.dimensions, self.seed * 1000 + self._shards, clusters=400)

    def _data(self, without: npt.NDArray[np.uint64] | None) -> Iterator[FileEntry]:
        gone = np.empty((0, 2), np.uint64) if without is None else without[ascending(without)]
        ids = np.concatenate([self.ids[find(gone, self.ids) < 0], self.unembedded])
        bucket = (ids[:, 1] % len(self.buckets)).astype(int)
        for number, name in enumerate(self.buckets):
            own = ids[bucket == number]
            if len(own):
                path = f"data/{name}/part-j{self._versions:012d}.f09.00000-{number:08x}.parquet"
                before = len(self._files)
                self._table(path, roles.SAMPLES, self._samples(own, name))
                yield self._files.pop(before)

    def _samples(self, ids: npt.NDArray[np.uint64], bucket: str) -> pa.Table:
        """Returns rows of `data/`; the verdict of those that failed says so."""
        table, failed = samples(ids, bucket, self._versions), self.failed[ascending(self.failed)]
        verdicts = pc.if_else(pa.array(find(failed, ids) >= 0), "failed", table["verdict"])
        return table.set_column(table.schema.get_field_index("verdict"), "verdict", verdicts)

    def _array(self, path: str, role: str, vectors: Floats) -> None:
        self._target(path)
        np.save(self.folder / path, vectors.astype("<f2"))
        self._entry(path, role, len(vectors))

    def _table(self, path: str, role: str, table: pa.Table) -> None:
        self._target(path)
        pq.write_table(table, self.folder / path)
        self._entry(path, role, len(table))

    def _target(self, path: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)

    def _entry(self, path: str, role: str, rows: int) -> None:
        digest = hashlib.sha256()
        with (self.folder / path).open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        size = (self.folder / path).stat().st_size
        self._files.append(FileEntry(path=path, role=role, rows=rows, bytes=size, sha256=digest.hexdigest()))


def samples(ids: npt.NDArray[np.uint64], bucket: str, version: int) -> pa.Table:
    """Returns rows of `data/` that follow from the ids; verdicts follow from the version too."""
    key, rows = hex_of(ids), len(ids)
    part = ((ids[:, 0] >> np.uint64(11)).astype(np.float64) / 2**53).astype(np.float32)
    kept = ((ids[:, 1] >> np.uint64(20)) + np.uint64(version)) % np.uint64(4) != 0
    verdict = np.where(kept, "kept", "filtered")
    columns: dict[str, Any] = {
        "sample_id": key,
        "URL": _joined("https://a.example/", key, ".jpg"),
        "TEXT": _joined("a picture, ", key, ""),
        "WIDTH": pa.array(200 + part * 800, pa.float32()).cast(pa.int32(), safe=False),
        "HEIGHT": pa.array(np.full(rows, 300), pa.int32()),
        "similarity": pa.array(part),
        "LANGUAGE": pa.array([bucket[:2] if one else None for one in part > 0.5], pa.string()),
        "pwatermark": pa.array(1 - part),
        "punsafe": pa.array(part**2),
        "AESTHETIC_SCORE": pa.array(part * 10),
        "md5": key,
        "phash": pc.utf8_slice_codeunits(key, 0, 16),
        "toxicity": pa.array(part / 2),
        "crawl": pa.array(np.full(rows, "CC-MAIN-2025-30")),
        "licence": pa.nulls(rows, pa.string()),
        "verdict": pa.array(verdict),
        "reason": pa.array(np.where(kept, "", "low_similarity")),
        "cluster_id": key,
        "shard": pa.array(np.full(rows, "shards/some.tar")),
        "tar_offset": pa.array(np.arange(rows) * 512, pa.int64()),
        "tar_size": pa.array(np.full(rows, 500), pa.int64()),
    }
    return pa.table(columns)


def _joined(before: str, middle: pa.Array[Any], after: str) -> Any:
    parts: Any = pc.binary_join_element_wise
    return parts(before, middle, after, "")
