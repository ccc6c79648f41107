"""`pairmill download` over loopback: robots.txt, fetch, decode, hash, resize, encode, shard."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill_downloader.config import DownloaderConfig
from pairmill_downloader.fetching.config import Network, Route
from pairmill_downloader.table import download_table
from pairmill_downloader.table_request import TableRequest
from tests.bench.drawn import drawn_jpegs
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.image_server import serving
from tests.bench.isolated import in_own_process, metered
from tests.bench.setup import Setup

ROWS: Final = 6000
PICTURES: Final = 60
HOSTS: Final = 200
SIZES: Final = (
    (240, 180), (320, 240), (400, 400), (500, 375), (640, 480), (800, 600),
    (768, 1024), (1024, 683), (1200, 800), (1920, 1080),
)  # fmt: skip
"""Widths and heights as they are common on the web."""

PER_SECOND: Final = Figure("images", "1/s")
PIXELS: Final = Figure("pixels decoded", "M/s")
FETCH_CPU: Final = Figure("CPU time per image: fetch, consent, shard", "ms")
DECODE_CPU: Final = Figure(
    "CPU time per image: decode, hash, resize, encode; the children's start included", "ms"
)


def benchmark(setup: Setup) -> Result:
    """Downloads the same table several times."""
    folder = setup.folder("download")
    rows, count = setup.size(ROWS), setup.size(PICTURES, least=len(SIZES))
    pictures = list(drawn_jpegs(count, SIZES, quality=85))
    table = folder / "table.parquet"
    urls = [f"http://site-{row % HOSTS}.example/{row % count}/{row}.jpg" for row in range(rows)]
    pq.write_table(pa.table({"url": urls, "text": [f"picture number {row}" for row in range(rows)]}), table)
    with serving(pictures) as port:
        samples = [in_own_process(measure, table, folder / f"out-{run}", port) for run in range(setup.runs)]
    kilobytes = sum(len(pictures[row % count]) for row in range(rows)) / rows / 1000
    config = DownloaderConfig()
    return Result(
        name="download",
        setup=f"{rows:,} JPEG files of {SIZES[0][0]}×{SIZES[0][1]} to {SIZES[-1][0]}×{SIZES[-1][1]} pixels "
        f"({kilobytes:.0f} kB on average) from {HOSTS} hosts without delay, served by another process of "
        f"the same machine; {config.decode_processes} decoding children",
        columns=[Column(label=f"{rows:,} images", samples=samples)],
    )


def measure(table: Path, out: Path, port: int) -> Sample:
    """Downloads a table and returns what that took."""
    config = DownloaderConfig(
        allowed_networks=(Network("127.0.0.0/8"),), connect_to=(Route(f"example=127.0.0.1:{port}"),)
    )
    request = TableRequest(
        tables=[table],
        out=out,
        caption_column="text",
        samples_per_shard=1000,
        host_delay_seconds=0.0,
        config=config,
    )
    summary, usage = metered(lambda: download_table(request))
    if summary.failed:
        raise RuntimeError(f"not every image was downloaded: {dict(summary.failed)}")
    pixels = sum(
        int(np.dot(*(shard.column(name).to_numpy().astype(np.int64) for name in shard.column_names)))
        for shard in (
            pq.read_table(path, columns=["original_width", "original_height"])
            for path in sorted(out.glob("*.parquet"))
        )
    )
    return {
        PER_SECOND: summary.successes / usage.seconds,
        PIXELS: pixels / 1e6 / usage.seconds,
        FETCH_CPU: 1000 * usage.own_cpu_seconds / summary.successes,
        DECODE_CPU: 1000 * usage.child_cpu_seconds / summary.successes,
        **usage.figures(),
    }
