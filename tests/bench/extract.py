"""`pairmill extract` over one generated WAT: how fast, and does memory grow with the file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pairmill.jobspec.profiles import profile
from pairmill_crawler.extract import extract_wats
from tests.bench.big_wat import write_big_wat
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import in_own_process, metered
from tests.bench.setup import Setup

PAGES: Final = 3000
FACTORS: Final = (1, 4)

LINKS: Final = Figure("links read", "1/s")
CANDIDATES: Final = Figure("candidates", "1/s")
LINKS_PER_CPU: Final = Figure("links per second of CPU time", "1/s")


def benchmark(setup: Setup) -> Result:
    """Extracts a WAT and one of four times the size."""
    folder = setup.folder("extract")
    columns = []
    for factor in FACTORS:
        wat = folder / f"{factor}.warc.wat.gz"
        write_big_wat(wat, setup.size(PAGES) * factor)
        samples = [
            in_own_process(measure, wat, folder / f"{factor}-{run}.parquet") for run in range(setup.runs)
        ]
        size = wat.stat().st_size / 1e6
        columns.append(Column(label=f"{size:,.1f} MB" if size < 10 else f"{size:,.0f} MB", samples=samples))
    return Result(
        name="extract",
        setup=f"one gzipped WAT of {setup.size(PAGES):,} pages and one of {FACTORS[-1]} times as many, "
        "profile `default`, one reading child",
        columns=columns,
    )


def measure(wat: Path, out: Path) -> Sample:
    """Extracts one WAT and returns what that took."""
    summary, usage = metered(
        lambda: extract_wats([str(wat)], profile("default").crawl_rules, out, lambda _: None)
    )
    return {
        CANDIDATES: summary.candidates / usage.seconds,
        LINKS: summary.rows_in / usage.seconds,
        LINKS_PER_CPU: summary.rows_in / usage.cpu_seconds,
        **usage.figures(),
    }
