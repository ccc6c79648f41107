"""A job's state rebuilt from its ledger: how fast, and in how much memory; `python -m tests.bench.ledger`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pairmill.bus.port import TopicPartition
from pairmill.ledger.follower import JobFollower
from pairmill.ledger.walk import JobState
from pairmill.units import LEDGER_TOPIC
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, ObjectRef
from tests.bench.figures import Column, Figure, Result, Sample, plain_table
from tests.bench.isolated import in_own_process, metered
from tests.bench.ledger_records import (
    RANGES,
    UNITS_PER_WAVE,
    WAVE,
    RecordedBus,
    admission,
    count_records,
    write_records,
)
from tests.bench.machine import machine_line
from tests.bench.setup import Setup
from tests.fakes.store import MemoryStore

UNITS: Final = 1_000_000
SIZES: Final = (UNITS // 10, UNITS)
STEPS: Final = 2_000  # records fed one by one after the state was rebuilt

RECORDS: Final = Figure("records walked", "")
RECORD_BYTES: Final = Figure("size of a record", "bytes")
UNIT_MICROSECONDS: Final = Figure("CPU time per unit", "µs")
PARSE_MICROSECONDS: Final = Figure("of that, reading and parsing alone", "µs")
UNIT_BYTES: Final = Figure("peak memory, process, per unit", "bytes")
STEP_MICROSECONDS: Final = Figure("CPU time of one record more, with what a gateway asks", "µs")
LAST_SECONDS: Final = Figure("CPU time of the last records, until the finalisation is expected", "s")


def measure(path: Path, units: int, records: int) -> Sample:
    """Rebuilds the state of a job, goes on record by record, and comes to the finalisation."""
    admitted = admission(units)
    bus, store = RecordedBus(path, admitted.spec.job_id.encode()), MemoryStore()
    for key, data in admitted.objects.items():
        store.put(key, data)
    steps = min(STEPS, records // 10)
    rebuilt = bus.limit = records - 2 * steps
    follower, usage = metered(lambda: _follow(bus, store, admitted.spec_ref))
    step = _seconds(lambda: _go_on(bus, follower, steps)) / steps
    bus.limit = records
    last = _seconds(follower.catch_up)
    assert follower.walk.state is JobState.FINALISING
    return {
        **usage.figures(),
        RECORDS: rebuilt,
        RECORD_BYTES: path.stat().st_size / records,
        UNIT_MICROSECONDS: usage.cpu_seconds / rebuilt * 1e6,
        PARSE_MICROSECONDS: in_own_process(_parse, path) / records * 1e6,
        UNIT_BYTES: usage.own_bytes / rebuilt,
        STEP_MICROSECONDS: step * 1e6,
        LAST_SECONDS: last,
    }


def _go_on(bus: RecordedBus, follower: JobFollower, steps: int) -> None:
    for _ in range(steps):
        bus.limit += 1
        _step(follower)


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _follow(bus: RecordedBus, store: MemoryStore, spec_ref: ObjectRef) -> JobFollower:
    follower = JobFollower(bus, store, spec_ref)
    follower.catch_up()
    follower.walk.take_expected()
    return follower


def _step(follower: JobFollower) -> None:
    """What a gateway does with a new record, and asks for its status."""
    walk = follower.walk
    follower.catch_up()
    walk.take_expected()
    walk.take_failed()
    walk.blocked()
    assert walk.state is not None
    assert walk.open_count or walk.drained


def _parse(path: Path) -> float:
    """Returns the seconds that only reading and parsing takes."""
    bus, position, start = RecordedBus(path, b""), 0, time.process_time()
    while messages := bus.read(TopicPartition(LEDGER_TOPIC, 0), start=position, max_records=2000):
        for message in messages:
            LedgerRecord.FromString(message.value)
        position = messages[-1].offset + 1
    return time.process_time() - start


def benchmark(setup: Setup) -> Result:
    """Rebuilds the state of jobs of several sizes; the largest once."""
    folder, columns = setup.folder("ledger"), []
    for size in SIZES:
        units = setup.size(size, least=2 * UNITS_PER_WAVE)
        path = folder / f"{units}.records"
        records = in_own_process(write_records, path, units)
        runs = setup.runs if size != max(SIZES) else 1
        samples = [in_own_process(measure, path, units, records) for _ in range(runs)]
        columns.append(Column(label=f"{units:,} units", samples=samples))
        path.unlink()
    return Result(
        name="ledger",
        setup=f"a job's state rebuilt from its ledger, waves of {WAVE} WATs in {RANGES} ranges",
        columns=columns,
    )


def main() -> int:
    """Measures one size and prints the figures; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ledger", description=__doc__)
    parser.add_argument("--units", type=int, default=UNITS, help="size of the job")
    parser.add_argument("--records", type=Path, metavar="FILE", help="keep the ledger here, and reuse it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = options.records or Path(folder, "records")
        if not path.exists():
            in_own_process(write_records, path, options.units)
        sample = in_own_process(measure, path, options.units, count_records(path))
    columns = [Column(label=f"{options.units:,} units", samples=[sample])]
    result = Result(name="ledger", setup="a job's state rebuilt from its ledger", columns=columns)
    sys.stdout.write(f"{plain_table(result)}\n{machine_line()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
