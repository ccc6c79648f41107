"""Export of a subset against a plain copy of the same bytes: `python -m tests.bench.subset`."""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from pairmill.clock import SystemClock
from pairmill.dataset.reader import Dataset
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.datasets.registry import Datasets
from pairmill_explorer.datasets.served import ServedDataset, Snapshot
from pairmill_explorer.subsets.desk import new_job
from pairmill_explorer.subsets.exports.job import EndRecord, Format, JobShelf
from pairmill_explorer.subsets.exports.meter import Meter
from pairmill_explorer.subsets.exports.work import Work
from pairmill_explorer.subsets.recipe import checked
from pairmill_index.build import build_index
from pairmill_index.opened import OpenIndex
from pairmill_index.options import BuildOptions
from pairmill_protos.explorer.v1.search_pb2 import Filters, SafeMode
from pairmill_protos.explorer.v1.subset_service_pb2 import Recipe, Subset
from tests.fakes.stored_dataset import Shape, make_stored_dataset

_BLOCK: Final = 2**20
_PROFILED: Final = 20
FORMATS: Final = (Format.WEBDATASET, Format.PARQUET, Format.URLS, Format.IDS)


def main(arguments: list[str] | None = None) -> int:
    """Makes a dataset unless the folder holds one, copies it, exports it, and prints what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=256, help="of the pictures, pixels")
    parser.add_argument("--folder", type=Path, help="where the dataset is kept from run to run")
    parser.add_argument(
        "--profile", action="store_true", help="export once more and print where its threads spend time"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = given.folder or Path(scratch) / "dataset"
        store = _dataset(folder, Shape(samples=given.samples, side=given.side), Path(scratch))
        sys.stdout.write(
            "| what | samples | MB | s | MB/s | CPU s | of the system |\n" + "|---" + "|--:" * 6 + "|\n"
        )
        tars = sorted((folder / "shards").glob("*.tar"))
        _forget(tars)
        _measured("copy of the tars", given.samples, partial(_copied, tars, Path(scratch)))
        _measured("copy, read from memory", given.samples, partial(_copied, tars, Path(scratch)))
        _forget(tars)
        _measured("webdataset", given.samples, partial(_exported, store, FORMATS[0], Path(scratch)))
        sys.stdout.write("What was read lies in memory from here on.\n")
        for form in FORMATS:
            _measured(form, given.samples, partial(_exported, store, form, Path(scratch)))
        if given.profile:
            with _profiled():
                _measured(
                    "webdataset, profiled",
                    given.samples,
                    partial(_exported, store, FORMATS[0], Path(scratch)),
                )
    return 0


def _dataset(folder: Path, shape: Shape, scratch: Path) -> DirectoryStore:
    if not (folder / "dataset.json").is_file():
        make_stored_dataset(folder, shape)
    store = DirectoryStore(folder)
    if not (folder / "index" / "current.json").is_file():
        build_index(Dataset.open(store), store, BuildOptions(), scratch=scratch)
    return store


def _measured(name: str, samples: int, call: Callable[[], int]) -> None:
    before, start = _cpu_seconds(), time.perf_counter()
    written = call() / 1e6
    seconds = time.perf_counter() - start
    own, system = (after - was for after, was in zip(_cpu_seconds(), before, strict=True))
    rate = f"{written:,.0f} | {seconds:.1f} | {written / seconds:,.0f} | {own:.1f} | {system:.1f}"
    sys.stdout.write(f"| {name} | {samples:,} | {rate} |\n")
    sys.stdout.flush()


def _forget(tars: list[Path]) -> None:
    """Has the system read files from disk the next time."""
    for tar in tars:
        handle = os.open(tar, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def _copied(tars: list[Path], scratch: Path) -> int:
    """Copies files as `cp` does and waits until they are on disk, as an export does."""
    total = 0
    for tar in tars:
        target = scratch / "copy.tar"
        with tar.open("rb") as source, target.open("wb") as file:
            size = os.fstat(source.fileno()).st_size
            while left := size - source.tell():
                os.sendfile(file.fileno(), source.fileno(), source.tell(), min(left, _BLOCK))
                source.seek(min(left, _BLOCK), os.SEEK_CUR)
            os.fsync(file.fileno())
        total += size
        target.unlink()
    return total


def _exported(store: DirectoryStore, form: Format, scratch: Path) -> int:
    served = ServedDataset("bench", store, scratch, encoders=lambda digest: None, clock=SystemClock())
    served.refresh()
    with served.use() as snapshot:
        work = _work(snapshot, served, form, scratch)
        end: EndRecord = work.run()
    JobShelf(store).remove_files(work.job.export_id)
    JobShelf(store).forget_end(work.job.export_id)
    Datasets([served]).close()
    return end.bytes


def _work(snapshot: Snapshot, served: ServedDataset, form: Format, scratch: Path) -> Work:
    recipe = Recipe(name="bench", filters=Filters(safe_mode=SafeMode.SAFE_MODE_SHOW))
    found = checked(recipe, snapshot.index.manifest.dimensions, snapshot.rules)
    subset = Subset(recipe=found.recipe, revision=1, digest=found.digest)
    clock = SystemClock()

    @contextmanager
    def newest() -> Iterator[OpenIndex]:
        with served.use() as latest:
            yield latest.index

    return Work(
        snapshot=snapshot,
        checked=found,
        job=new_job(subset, snapshot, form, 10_000, clock),
        store=served.store,
        scratch=scratch,
        newest=newest,
        meter=Meter(clock),
        check=lambda: None,
        clock=clock,
    )


@contextmanager
def _profiled() -> Iterator[None]:
    """Prints the functions that take most CPU time, over all threads; what waits takes none."""
    profiles = [cProfile.Profile(time.thread_time)]

    def profile_thread(*_: object) -> None:
        """Is called with the first thing that a thread does; the profiler takes its place."""
        profiles.append(cProfile.Profile(time.thread_time))
        profiles[-1].enable()

    threading.setprofile(profile_thread)
    try:
        with profiles[0]:
            yield
    finally:
        threading.setprofile(None)
    stats = pstats.Stats(profiles[0], stream=sys.stdout)
    for profile in profiles[1:]:
        profile.create_stats()
        stats.add(profile)
    stats.sort_stats("tottime").print_stats(_PROFILED)


def _cpu_seconds() -> tuple[float, float]:
    """Returns what this process took: its own, and the system's for it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime, usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
