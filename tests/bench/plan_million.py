"""Time and peak memory of one plan unit over a million links. `python -m tests.bench.plan_million`."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.idarrays import Flags, Words, array_of, ascending
from pairmill.ids import BUCKETS
from pairmill.schemas import CANDIDATES
from pairmill_planner.candidates import Candidates, local_file
from pairmill_planner.plan import make_plan
from pairmill_protos.job.v1.job_pb2 import DownloadRules, JobSpec, PlanRules

FILES = 16


def main(links: int = 1_000_000) -> None:
    """Makes candidate files, plans them in a process of its own, and prints what that took."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(path) for path in make_files(Path(folder), links)]
        command = [sys.executable, "-m", __spec__.name, "--plan", folder, *paths]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def make_files(folder: Path, links: int) -> list[Path]:
    """Writes candidate files with 70 % different URLs, 3 % duplicates and domains of very unequal size."""
    random = np.random.default_rng(1)
    per_file = links // FILES
    return [
        _make_file(folder / f"c{index}.parquet", random, index, per_file, links) for index in range(FILES)
    ]


def _make_file(path: Path, random: np.random.Generator, index: int, rows: int, links: int) -> Path:
    number = random.integers(0, links, rows, dtype=np.uint64)
    url = np.stack([number * np.uint64(0x9E3779B97F4A7C15), number * np.uint64(0xC2B2AE3D27D4EB4F)], axis=1)
    text = random.integers(0, 20, rows)
    sample = url ^ (text.astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93))[:, None]
    domain = (links ** (number / links)).astype(np.int64)
    order = ascending(domain, url, sample)
    columns = {
        "sample_id": array_of(sample[order]),
        "url_id": array_of(url[order]),
        "url": [
            f"https://images.domain-{d}.test/assets/{n:032x}.jpg"
            for d, n in zip(domain[order], number[order], strict=True)
        ],
        "text": [
            f"text {t} of the picture number {n}" for t, n in zip(text[order], number[order], strict=True)
        ],
        "host": [f"images.domain-{d}.test" for d in domain[order]],
        "domain": [f"domain-{d}.test" for d in domain[order]],
        "bucket": pa.array(domain[order] % BUCKETS, pa.int32()),
        "wat_index": np.full(rows, index, dtype=np.int32),
        "wat_offset": random.integers(0, 2**30, rows),
        "link_index": random.integers(0, 100, rows).astype(np.int32),
        "page_url": [
            f"https://domain-{d}.test/page/{n % 1000}.html"
            for d, n in zip(domain[order], number[order], strict=True)
        ],
    }
    table = pa.table(
        {name: columns.get(name, pa.nulls(rows, CANDIDATES.field(name).type)) for name in CANDIDATES.names}
    )
    pq.write_table(table.cast(CANDIDATES), path, compression="zstd", row_group_size=100_000)
    return path


def plan(folder: Path, paths: list[Path]) -> None:
    """Plans the files and prints seconds, peak memory and what came out."""
    spec = JobSpec(
        plan=PlanRules(ranges=1, captions_per_url=8, unit_rows=10_000, unit_seconds=600),
        download=DownloadRules(host_delay_seconds=0.5),
    )
    candidates = Candidates(openers=[local_file(path) for path in paths], first_bucket=0, end_bucket=BUCKETS)
    before, start = _peak_megabytes(), time.monotonic()
    made = make_plan(candidates, spec, 0, seen=_nothing, excluded=_nothing, scratch=folder)
    figures = {
        "links": made.links,
        "units": len(made.rows),
        "candidates": sum(made.rows),
        "seconds": round(time.monotonic() - start, 1),
        "peak_megabytes": round(_peak_megabytes()),
        "megabytes_before": round(before),
    }
    print(json.dumps(figures))


def _nothing(urls: Words) -> Flags:
    return np.zeros(len(urls), dtype=np.bool_)


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plan"]:
        plan(Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
