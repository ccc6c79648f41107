"""One plan unit over a million links: duplicates, captions per URL, host spreading."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.idarrays import Flags, Words, array_of, ascending
from pairmill.ids import BUCKETS
from pairmill.schemas import CANDIDATES
from pairmill_planner.candidates import Candidates, local_file
from pairmill_planner.plan import make_plan
from pairmill_protos.job.v1.job_pb2 import DownloadRules, JobSpec, PlanRules
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import in_own_process, metered
from tests.bench.setup import Setup

LINKS: Final = 1_000_000
FILES: Final = 16

PER_SECOND: Final = Figure("links", "1/s")
PLANNED: Final = Figure("candidates planned", "")
UNITS: Final = Figure("download units", "")


def benchmark(setup: Setup) -> Result:
    """Plans the same candidate files several times."""
    folder = setup.folder("plan")
    links = setup.size(LINKS, least=FILES)
    paths = make_files(folder, links)
    samples = [in_own_process(measure, folder, paths) for _ in range(setup.runs)]
    return Result(
        name="plan",
        setup=f"one range of {links:,} links in {FILES} candidate files, 3 % duplicates, domains of very "
        "unequal size",
        columns=[Column(label=f"{links:,} links", samples=samples)],
    )


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


def measure(folder: Path, paths: list[Path]) -> Sample:
    """Plans the files and returns what that took."""
    spec = JobSpec(
        plan=PlanRules(ranges=1, captions_per_url=8, unit_rows=10_000, unit_seconds=600),
        download=DownloadRules(host_delay_seconds=0.5),
    )
    openers = [local_file(path) for path in paths]
    candidates = Candidates(openers=openers, first_bucket=0, end_bucket=BUCKETS)
    made, usage = metered(
        lambda: make_plan(candidates, spec, 0, seen=_nothing, excluded=_nothing, scratch=folder)
    )
    return {
        PER_SECOND: made.links / usage.seconds,
        PLANNED: sum(made.rows),
        UNITS: len(made.rows),
        **usage.figures(),
    }


def _nothing(urls: Words) -> Flags:
    return np.zeros(len(urls), dtype=np.bool_)
