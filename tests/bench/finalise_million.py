"""A finalisation over a million made-up rows, phase by phase; images are a few bytes each."""

from __future__ import annotations

import io
import tarfile
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.idarrays import array_of, hex_of
from pairmill.ledger.finalisation import PhasePlan, next_phase
from pairmill.ledger.phases import Phase
from pairmill.schemas import SCORED
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.store.directory import DirectoryStore
from pairmill.units import new_attempt, reference_list
from pairmill_finaliser.config import FinaliserConfig
from pairmill_finaliser.handler import FinaliseHandler
from pairmill_protos.job.v1.job_pb2 import FinaliseRules, JobSpec, ScoreRules
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase, ObjectRef, UnitDone, UnitTask
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import in_own_process, metered
from tests.bench.setup import Setup

ROWS: Final = 1_000_000
FILE_ROWS: Final = 10_000
IMAGE_BYTES: Final = 1000

PER_SECOND: Final = Figure("rows, all phases", "1/s")


def benchmark(setup: Setup) -> Result:
    """Finalises made-up shards several times, in as many partitions as a real job has."""
    rows = setup.size(ROWS, least=FILE_ROWS) // FILE_ROWS * FILE_ROWS
    folder = setup.folder("finalise")
    samples = [in_own_process(measure, folder, rows) for _ in range(setup.runs)]
    return Result(
        name="finalise",
        setup=f"{rows:,} scored rows in files of {FILE_ROWS:,}, a tenth copies, two partitions; "
        f"images of {IMAGE_BYTES:,} bytes; one unit at a time",
        columns=[Column(label=f"{rows:,} rows", samples=samples)],
    )


def measure(folder: Path, rows: int) -> Sample:
    """Makes scored shards, finalises them, and returns what the phases took."""
    with (
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        DirectoryStore(Path(scratch) / "store") as store,
    ):
        random = np.random.default_rng(1)
        scored = [_put_shard(store, random, number, rows, IMAGE_BYTES) for number in range(rows // FILE_ROWS)]
        phases, usage = metered(lambda: _finalise(_spec(rows), scored, store, Path(scratch)))
    return {PER_SECOND: rows / usage.seconds, **usage.figures(), **phases}


def _spec(rows: int) -> JobSpec:
    return JobSpec(
        job_id="j1",
        finalise=FinaliseRules(
            max_hash_distance=6,
            choose_by_cluster=True,
            choose_by_url=True,
            max_per_domain=1000,
            train_shard_samples=10_000,
            scatter_block=512,
            partition_rows=rows // 2,
            band_cap=1000,
        ),
        score=ScoreRules(min_similarity={"*": 0.2}),
    )


def _finalise(spec: JobSpec, scored: Sequence[UnitDone], store: DirectoryStore, folder: Path) -> Sample:
    """Works through all phases and returns the time of each."""
    handler = FinaliseHandler(FinaliserConfig())
    phases: dict[Phase, list[UnitDone]] = {}
    seconds: dict[Figure, float] = {}
    while (
        plan := next_phase(spec, ObjectRef(key="spec"), scored, phases, lambda ref: store.get(ref.key))
    ) is not None:
        start = time.monotonic()
        phases[plan.phase] = _phase(handler, plan, spec, store, folder)
        name = FinalisePhase.Name(plan.phase).removeprefix("FINALISE_PHASE_").lower().replace("_", " ")
        seconds[Figure(f"phase: {name}", "s")] = time.monotonic() - start
    return seconds


def _phase(
    handler: FinaliseHandler, plan: PhasePlan, spec: JobSpec, store: DirectoryStore, folder: Path
) -> list[UnitDone]:
    for key, data in plan.attachments.items():
        store.put(key, data)
    done = []
    for task in plan.tasks:
        result = _run(handler, task, spec, store, folder)
        outputs, listed = reference_list(result.outputs, "j1")
        for key, data in listed.items():
            store.put(key, data)
        done.append(UnitDone(unit_id=task.unit_id, outputs=outputs))
    return done


def _run(
    handler: FinaliseHandler, task: UnitTask, spec: JobSpec, store: DirectoryStore, folder: Path
) -> UnitResult:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        context = UnitContext(
            task=task,
            spec=spec,
            attempt=new_attempt(),
            store=store,
            scratch=Path(scratch),
            cut_off=threading.Event(),
            report_progress=lambda done, rows: None,
        )
        return handler.handle(context)


def _put_shard(
    store: DirectoryStore, random: np.random.Generator, number: int, rows: int, image_bytes: int
) -> UnitDone:
    """Stores a shard of as many images with their scores: a tenth of them copies, some near-duplicates."""
    count = FILE_ROWS
    ids = random.integers(0, 2**64, (count, 2), dtype=np.uint64)
    urls = random.integers(0, rows // 2, count).astype(np.uint64)
    url_ids = np.stack([urls * np.uint64(0x9E3779B97F4A7C15), urls * np.uint64(0xC2B2AE3D27D4EB4F)], axis=1)
    contents = (rows * random.random(count) ** 1.2).astype(np.uint64)
    content = np.stack([contents * np.uint64(2 * k + 0x9E3779B97F4A7C15) for k in range(4)], axis=1)
    near = (contents // np.uint64(3)) * np.uint64(0xD6E8FEB86659FD93) ^ (contents % np.uint64(3))
    domains = (rows ** (urls / rows)).astype(np.int64)
    shard, places = _put_tar(store, number, hex_of(ids).to_pylist(), image_bytes)
    columns = {
        "sample_id": array_of(ids),
        "url_id": array_of(url_ids),
        "url": [
            f"https://images.domain-{d}.test/assets/{u:032x}.jpg" for d, u in zip(domains, urls, strict=True)
        ],
        "text": [f"a text of some length about the picture number {u}" for u in urls],
        "outcome": ["kept"] * count,
        "reason": [""] * count,
        "similarity": random.random(count).astype(np.float32),
        "content_sha256": hex_of(content),
        "md5": hex_of(content[:, :2]),
        "phash": hex_of(near[:, None]),
        "domain": [f"domain-{d}.test" for d in domains],
        "language": random.choice(["en", "de", "fr"], count),
        "page_url": [f"https://domain-{d}.test/page.html" for d in domains],
        "shard": [shard] * count,
        "tar_offset": places,
        "tar_size": [image_bytes] * count,
    }
    nulls = {field.name: pa.nulls(count, field.type) for field in SCORED if field.name not in columns}
    table = pa.table(columns | nulls).select(SCORED.names).cast(SCORED)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    key = f"steps/scores/{number}.parquet"
    info = store.put(key, sink.getvalue())
    ref = ObjectRef(key=key, bytes=info.size_bytes, sha256=info.sha256, rows=count, role="scores")
    return UnitDone(unit_id=f"j1/{number:05d}", outputs=reference_list([ref], "j1")[0])


def _put_tar(store: DirectoryStore, number: int, names: list[str | None], size: int) -> tuple[str, list[int]]:
    sink, places = io.BytesIO(), []
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in names:
            header = tarfile.TarInfo(f"{name}.jpg")
            header.size = size
            places.append(tar.offset + tarfile.BLOCKSIZE)
            tar.addfile(header, io.BytesIO(bytes(size)))
    store.put(f"shards/{number}.tar", sink.getvalue())
    return f"shards/{number}.tar", places
