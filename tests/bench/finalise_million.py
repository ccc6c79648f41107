"""Time and peak memory of a finalisation, phase by phase. `python -m tests.bench.finalise_million`.

Rows are made up; images are a few bytes each. Arguments: rows, partition_rows, image bytes.
"""

from __future__ import annotations

import io
import resource
import sys
import tarfile
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.idarrays import array_of, hex_of
from pairmill.ledger.finalisation import next_phase
from pairmill.ledger.phases import Phase
from pairmill.schemas import SCORED
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.store.directory import DirectoryStore
from pairmill.units import new_attempt, reference_list
from pairmill_finaliser.config import FinaliserConfig
from pairmill_finaliser.handler import FinaliseHandler
from pairmill_protos.job.v1.job_pb2 import FinaliseRules, JobSpec, ScoreRules
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase, ObjectRef, UnitDone, UnitTask

FILE_ROWS = 10_000


def main(rows: int = 1_000_000, partition_rows: int = 500_000, image_bytes: int = 1000) -> None:
    """Makes scored shards and finalises them; prints one line per phase."""
    spec = JobSpec(
        job_id="j1",
        finalise=FinaliseRules(
            max_hash_distance=6,
            choose_by_cluster=True,
            choose_by_url=True,
            max_per_domain=1000,
            train_shard_samples=10_000,
            scatter_block=512,
            partition_rows=partition_rows,
            band_cap=1000,
        ),
        score=ScoreRules(min_similarity={"*": 0.2}),
    )
    with tempfile.TemporaryDirectory() as folder, DirectoryStore(Path(folder) / "store") as store:
        random = np.random.default_rng(1)
        scored = [_put_shard(store, random, number, rows, image_bytes) for number in range(rows // FILE_ROWS)]
        print(f"{rows:,} rows; before: {_peak_megabytes():.0f} MB")
        _finalise(spec, scored, store, Path(folder))


def _finalise(spec: JobSpec, scored: list[UnitDone], store: DirectoryStore, folder: Path) -> None:
    handler = FinaliseHandler(FinaliserConfig())
    phases: dict[Phase, list[UnitDone]] = {}
    tally: defaultdict[tuple[int, int], int] = defaultdict(int)
    while (
        plan := next_phase(spec, ObjectRef(key="spec"), scored, phases, lambda ref: store.get(ref.key))
    ) is not None:
        for key, data in plan.attachments.items():
            store.put(key, data)
        start, rows, size = time.monotonic(), 0, 0
        phases[plan.phase] = []
        for task in plan.tasks:
            result = _run(handler, task, spec, store, folder)
            rows += result.rows_in
            size += sum(ref.bytes for ref in result.outputs)
            outputs, listed = reference_list(result.outputs, "j1")
            for key, data in listed.items():
                store.put(key, data)
            phases[plan.phase].append(UnitDone(unit_id=task.unit_id, outputs=outputs))
            if plan.phase == FinalisePhase.FINALISE_PHASE_WRITE_DATA:
                for pair, count in result.tally.items():
                    tally[pair] += count
        name = FinalisePhase.Name(plan.phase).removeprefix("FINALISE_PHASE_").lower()
        seconds = time.monotonic() - start
        print(
            f"{name:15} {len(plan.tasks):4} units {rows:10,} rows {seconds:6.1f} s {size / 1e6:7.0f} MB out, "
            f"peak {_peak_megabytes():.0f} MB"
        )
    print(dict(tally))


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


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
