"""The S3 store against a server on this machine: `python -m tests.bench.store`."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from deploy.local.s3 import S3Server
from pairmill.store.s3 import S3Store
from pairmill.store.settings import S3Config

BUCKET: Final = "bench"
SIZES: Final = ((1_000, 300), (1_000_000, 100), (100_000_000, 5))
"""Bytes of an object, and how many of them."""


def main() -> int:
    """Prints a table of what each call takes, one after the other in one thread."""
    sys.stdout.write("| call | bytes | MB/s | ms | CPU ms, client |\n|---|--:|--:|--:|--:|\n")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, S3Server(Path(folder) / "s3") as server:
        server.make_bucket(BUCKET)
        config = S3Config(endpoint=server.endpoint, credentials_file=server.credentials_file)
        with S3Store(BUCKET, "", config) as store:
            for size, count in SIZES:
                for name, call in _calls(store, Path(folder), size):
                    sys.stdout.write(_row(name, size, count, call))
                    sys.stdout.flush()
    return 0


def _calls(store: S3Store, folder: Path, size: int) -> Iterator[tuple[str, Callable[[str], object]]]:
    source, copy = folder / "source", folder / "copy"
    data = os.urandom(size)
    source.write_bytes(data)
    yield "put", lambda key: store.put(key, data)
    yield "put_file", lambda key: store.put_file(key, source)
    yield "get", store.get
    yield "fetch", lambda key: store.fetch(key, copy)
    yield "get_range of 64 KiB", lambda key: store.get_range(key, 0, 65_536)
    yield "stat", store.stat


def _row(name: str, size: int, count: int, call: Callable[[str], object]) -> str:
    cpu, start = _cpu_seconds(), time.perf_counter()
    for number in range(count):
        call(f"{size}/{number}")
    seconds, cpu = time.perf_counter() - start, _cpu_seconds() - cpu
    moves_all = name not in ("stat", "get_range of 64 KiB")
    rate = f"{size * count / seconds / 1e6:.1f}" if moves_all else "–"
    return f"| {name} | {size:,} | {rate} | {seconds / count * 1e3:.2f} | {cpu / count * 1e3:.2f} |\n"


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
