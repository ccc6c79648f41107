"""Score units over small shards whose similarities are asked for."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.ids import to_hex
from pairmill.schemas import EMBED_FAILURES, EMBEDDING_METADATA
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.units import new_task
from pairmill_protos.job.v1.job_pb2 import BundlePin, ImagePolicy, ImageRules, JobSpec, ScoreRules
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, ScoreInput, UnitInput
from pairmill_scorer.handler import ScoreHandler, ScoreParts
from tests.fakes.heads import FakeHeads
from tests.fakes.shard import Row, Shard, build_shard, row
from tests.unit.arrays.memory_store import MemoryStore, new_context

DIGEST = "ab" * 32
DIMENSIONS = 16


@dataclass(kw_only=True)
class Embedded:
    """A shard with embeddings: similarity is what each row asks for, in `similarity`."""

    shard: Shard
    failed: dict[str, str]  # reason by key
    images: np.ndarray
    texts: np.ndarray
    keys: list[str]  # of the embedded rows, in the order of the files


def embedded(
    similarity: Sequence[float], *, failed: dict[int, str] | None = None, shuffle: int | None = None
) -> Embedded:
    """Returns a shard with one row per similarity, and some rows without embeddings."""
    rows = [row(number) for number in range(len(similarity))]
    lost = {rows[number].key: reason for number, reason in (failed or {}).items()}
    wanted = {item.key: value for item, value in zip(rows, similarity, strict=True)}
    shard = build_shard([*rows, Row(text="gone", image=None)])
    keys = sorted(wanted.keys() - lost.keys())
    if shuffle is not None:
        keys = [keys[place] for place in np.random.default_rng(shuffle).permutation(len(keys))]
    pairs = [unit_pair(wanted[key], int(key[:8], 16)) for key in keys]
    return Embedded(
        shard=shard,
        failed=lost,
        images=np.array([image for image, _ in pairs], dtype="<f2").reshape(-1, DIMENSIONS),
        texts=np.array([text for _, text in pairs], dtype="<f2").reshape(-1, DIMENSIONS),
        keys=keys,
    )


def unit_pair(similarity: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two unit vectors with this dot product."""
    draw = np.random.default_rng(seed).standard_normal((2, DIMENSIONS))
    image = draw[0] / np.linalg.norm(draw[0])
    across = draw[1] - (draw[1] @ image) * image
    across /= np.linalg.norm(across)
    return image, similarity * image + np.sqrt(max(0.0, 1 - similarity**2)) * across


def spec(
    rules: ScoreRules | None = None, policy: ImagePolicy.ValueType = ImagePolicy.IMAGE_POLICY_ALL
) -> JobSpec:
    return JobSpec(
        job_id="job1",
        rules_version="7",
        bundle=BundlePin(name="fake", digest=DIGEST, dimensions=DIMENSIONS),
        score=rules or ScoreRules(),
        image=ImageRules(policy=policy),
    )


def parts(heads: FakeHeads | None = None, **changes: Any) -> ScoreParts:
    found = ScoreParts(
        heads=heads or FakeHeads(),
        bundle_digest=DIGEST,
        model_version="fake-1",
        dimensions=DIMENSIONS,
        check_heads=lambda: None,
        block_rows=4,
    )
    return replace(found, **changes)


class Bench:
    """A store with a shard and its embeddings, and attempts at its score unit."""

    def __init__(self, given: Embedded, folder: Path, job: JobSpec | None = None) -> None:
        self.store = MemoryStore()
        self.given = given
        self._folder = folder
        self._job = job or spec()
        self.metadata = [
            {"sample_id": key, "key": key, "model": "fake", "model_version": "fake-1"} for key in given.keys
        ]

    def source(self) -> ScoreInput:
        given = self.given
        source = ScoreInput(
            shard=self._put("shards/a.tar", given.shard.tar, "shard"),
            shard_index=self._put("shards/a.parquet", given.shard.index, "shard_index"),
        )
        if given.keys:
            source.image_embeddings.CopyFrom(self._put("e/i.npy", npy(given.images), "image_embeddings"))
            source.text_embeddings.CopyFrom(self._put("e/t.npy", npy(given.texts), "text_embeddings"))
            metadata = parquet(self.metadata, EMBEDDING_METADATA)
            source.embedding_metadata.CopyFrom(self._put("e/m.parquet", metadata, "embedding_metadata"))
        if given.failed:
            rows = [{"sample_id": key, "reason": reason} for key, reason in given.failed.items()]
            failures = self._put("e/f.parquet", parquet(rows, EMBED_FAILURES), "embed_failures")
            source.embed_failures.CopyFrom(failures)
        return source

    def context(self) -> UnitContext:
        task = new_task(
            spec=ObjectRef(key="spec"),
            job_id="job1",
            unit_id="job1/w000/r000/d00000/e/s",
            unit_input=UnitInput(score=self.source()),
        )
        return new_context(task, self._job, self.store, self._folder)

    def run(self, given: ScoreParts | None = None) -> UnitResult:
        return ScoreHandler(given or parts()).handle(self.context())

    def table(self, result: UnitResult) -> pa.Table:
        (ref,) = [ref for ref in result.outputs if ref.role == "scores"]
        table = pq.read_table(io.BytesIO(self.store.get(ref.key)))
        assert ref.rows == table.num_rows
        return table

    def _put(self, key: str, data: bytes, role: str) -> ObjectRef:
        self.store.put(key, data)
        return self.store.refer(key, rows=0, role=role)


def npy(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def parquet(rows: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    sink = io.BytesIO()
    unknown = dict.fromkeys(schema.names)
    pq.write_table(pa.Table.from_pylist([{**unknown, **item} for item in rows], schema=schema), sink)
    return sink.getvalue()


def by_key(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {to_hex(item["sample_id"]): item for item in table.to_pylist()}
