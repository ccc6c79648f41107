"""Speed and peak memory of the extraction at 1× and 4× the size. `python -m tests.bench.extract`."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pairmill.jobspec.profiles import profile
from pairmill_crawler.extract import extract_wats
from tests.bench.big_wat import write_big_wat

PAGES = 3000
FACTORS = (1, 4)


def main() -> None:
    """Makes WATs like Common Crawl's, extracts each in a process of its own, and prints what that took."""
    with tempfile.TemporaryDirectory() as folder:
        for factor in FACTORS:
            path = Path(folder) / f"{factor}.warc.wat.gz"
            inflated = write_big_wat(path, PAGES * factor)
            ended = subprocess.run(
                [sys.executable, "-m", "tests.bench.extract", str(path)],
                capture_output=True,
                text=True,
                check=True,
            )
            found = {"times": factor, "megabytes": path.stat().st_size / 1e6, "inflated": inflated / 1e6}
            sys.stdout.write(json.dumps(found | json.loads(ended.stdout)) + "\n")


def measure(wat: Path) -> dict[str, Any]:
    """Returns what extracting one WAT in one child process took."""
    start = time.monotonic()
    out = wat.with_suffix(".parquet")
    summary = extract_wats([str(wat)], profile("default").crawl_rules, out, lambda _: None)
    seconds = time.monotonic() - start
    parent, child = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = parent.ru_utime + parent.ru_stime + child.ru_utime + child.ru_stime
    return {
        "links": summary.rows_in,
        "candidates": summary.candidates,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "links_per_cpu_second": round(summary.rows_in / cpu),
        "candidates_per_second": round(summary.candidates / seconds),
        "parent_peak_mb": parent.ru_maxrss // 1024,
        "child_peak_mb": child.ru_maxrss // 1024,
    }


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))))
    else:
        main()
