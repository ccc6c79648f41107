"""An embed unit over a store in memory, and what it leaves there."""

from __future__ import annotations

from pathlib import Path

from pairmill.stage.port import UnitContext
from pairmill.units import new_task
from pairmill_models.bundle import Bundle
from pairmill_protos.job.v1.job_pb2 import BundlePin, ImageRules, JobSpec
from pairmill_protos.unit.v1.unit_pb2 import EmbedInput, ObjectRef, UnitInput
from tests.fakes.shard import build_shard, row
from tests.unit.arrays.memory_store import MemoryStore, new_context

ROWS = 9


def context(store: MemoryStore, bundle: Bundle, folder: Path, *, foreign: bool = False) -> UnitContext:
    shard = build_shard([row(number) for number in range(ROWS)])
    store.put("shards/a.tar", shard.tar)
    store.put("shards/a.parquet", shard.index)
    task = new_task(
        spec=ObjectRef(key="spec"),
        job_id="job1",
        unit_id="job1/w000/r000/d00000/e",
        unit_input=UnitInput(
            embed=EmbedInput(
                shard=store.refer("shards/a.tar", rows=0, role="shard"),
                shard_index=store.refer("shards/a.parquet", rows=ROWS, role="shard_index"),
            )
        ),
        rows=ROWS,
    )
    pin = BundlePin(name=bundle.name, digest=bundle.digest, dimensions=bundle.dimensions)
    spec = JobSpec(job_id="job1", bundle=pin, image=ImageRules(skip_reencode=foreign))
    return new_context(task, spec, store, folder)


def embeddings(store: MemoryStore) -> list[bytes]:
    return [data for key, data in sorted(store.objects.items()) if key.endswith(".npy")]
