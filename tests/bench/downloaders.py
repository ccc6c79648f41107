"""One, two and four downloaders against hosts that take their time; `python -m tests.bench.downloaders`.

What bounds a downloader here is the answers' delay times its connections, not the processor: as long as
there are cores left, twice as many downloaders have to be twice as fast.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil

from deploy.local.service import ServiceProcess
from pairmill.units import STAGE_TOPICS
from pairmill_protos.common.v1.outcome_pb2 import Outcome
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitDone
from tests.bench.download_site import Site, site, wait_for
from tests.bench.download_tasks import Job, Load, tasks_of
from tests.bench.drawn import drawn_jpegs
from tests.bench.figures import Column, Figure, Result, Sample, plain_table
from tests.bench.image_server import serving
from tests.bench.machine import machine_line
from tests.bench.processes import family
from tests.bench.setup import Setup

MEMBERS: Final = (1, 2, 4)
TOPICS: Final = len(STAGE_TOPICS[Stage.STAGE_DOWNLOAD])
PARTITIONS: Final = 8
SHARES: Final = (1, 2, 4, 8)  # numbers of downloaders that partitions can be shared among evenly
UNITS_PER_PARTITION: Final = 2
ROWS: Final = 250
ROWS_PER_HOST: Final = 5
CONNECTIONS: Final = 4  # of a unit; two units are at work in each downloader
UNITS_IN_FLIGHT: Final = 2
DELAY_SECONDS: Final = 0.2
ASKED_FIRST: Final = ("/robots.txt", "/.well-known/tdmrep.json")  # of every host
PICTURES: Final = 40
SIZES: Final = ((240, 180), (320, 240))

PER_SECOND: Final = Figure("images", "1/s")
LINEAR: Final = Figure("as a share of so many times the one downloader's of the same turn", "")
ADMITTED: Final = Figure("as a share of what delay and connections admit", "")
SECONDS: Final = Figure("wall time of the units", "s")
UNIT: Final = Figure("a unit at work, median", "s")
PLACES: Final = Figure("share of the time in which a place for a unit was taken", "")
CORES: Final = Figure("cores that the downloaders used", "")
MILLISECONDS: Final = Figure("CPU time of the downloaders, per image", "ms")
AROUND: Final = Figure("cores that Kafka and the gateway used", "")
BUSY: Final = Figure("cores in use on the machine, other work included", "")
MOST: Final = Figure("units of the downloader with most", "")
LEAST: Final = Figure("units of the downloader with fewest", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Processor seconds that were used up to a moment."""

    downloaders: float
    around: float  # broker and gateway
    machine: float  # everything on it

    def since(self, earlier: Spent) -> Spent:
        """Returns what was used in between."""
        return Spent(
            downloaders=self.downloaders - earlier.downloaders,
            around=self.around - earlier.around,
            machine=self.machine - earlier.machine,
        )


def measure(at: Site, port: int, load: Load, members: int, connections: int) -> Sample:
    """Lets so many downloaders work through the load; raises RuntimeError where an image is missing."""
    settings = _settings(connections)
    with at.downloaders(members, _env(port)) as started:
        wait_for(lambda: _shares(started) == [TOPICS * load.partitions // members] * members, "an even share")
        _work(at, at.submit(settings), _warm_up(load))  # everybody has its connections and its children
        job, before, begun = at.submit(settings), _units(started), _spent(at, started)
        seconds, at_work = _work(at, job, load)
        spent = _spent(at, started).since(begun)
        wait_for(lambda: sum(_units(started)) == sum(before) + load.units, "the last unit's line in the log")
        units = [after - earlier for after, earlier in zip(_units(started), before, strict=True)]
    return {
        PER_SECOND: load.images / seconds,
        ADMITTED: load.images / seconds / _admitted(load, members, connections),
        SECONDS: seconds,
        UNIT: median(at_work),
        PLACES: sum(at_work) / (seconds * members * UNITS_IN_FLIGHT),
        CORES: spent.downloaders / seconds,
        MILLISECONDS: spent.downloaders / load.images * 1000,
        AROUND: spent.around / seconds,
        BUSY: spent.machine / seconds,
        MOST: max(units),
        LEAST: min(units),
    }


def _env(port: int) -> dict[str, str]:
    return {
        "PAIRMILL_ALLOWED_NETWORKS": "127.0.0.0/8",
        "PAIRMILL_CONNECT_TO": f"example=127.0.0.1:{port}",
        "PAIRMILL_UNITS_IN_FLIGHT": str(UNITS_IN_FLIGHT),
    }


def _settings(connections: int) -> dict[str, str]:
    return {
        "download.unit_connections": str(connections),
        "download.host_connections": "1",
        "download.host_delay_seconds": f"{DELAY_SECONDS / 2:g}",  # never what a connection waits for
    }


def _work(at: Site, job: Job, load: Load) -> tuple[float, list[float]]:
    """Publishes the tasks of a load.

    Returns the seconds until the last unit is in the ledger, and those that each unit was at work.
    """
    tasks, start = tasks_of(job, load, at.bus, at.store), at.ledger_end()
    begun = time.monotonic()
    at.bus.publish(tasks)
    ends = at.ends(job.job_id, load.units, start)
    seconds = time.monotonic() - begun
    if _passed(ends) != load.images:
        raise RuntimeError(f"{_passed(ends)} of {load.images} images were stored: {ends[0]}")
    return seconds, [_seconds(end) for end in ends]


def _seconds(end: UnitDone) -> float:
    return (end.finished_at.ToDatetime() - end.started_at.ToDatetime()).total_seconds()


def _passed(ends: Sequence[UnitDone]) -> int:
    return sum(count.rows for end in ends for count in end.counts if count.outcome == Outcome.OUTCOME_PASSED)


def _warm_up(load: Load) -> Load:
    return replace(load, units_per_partition=1, rows=2, rows_per_host=2)


def _admitted(load: Load, members: int, connections: int) -> float:
    """Returns the images per second if nothing but the delay of the answers took time."""
    requests = load.rows + load.hosts * len(ASKED_FIRST)
    return members * UNITS_IN_FLIGHT * connections / DELAY_SECONDS * load.rows / requests


def _spent(at: Site, started: Sequence[ServiceProcess]) -> Spent:
    times = psutil.cpu_times()
    return Spent(
        downloaders=sum(_cpu(member.pid) for member in started),
        around=_cpu(at.kafka.pid) + _cpu(at.gateway.pid),
        machine=times.user + times.nice + times.system + times.irq + times.softirq,
    )


def _cpu(pid: int) -> float:
    return sum(process.cpu_seconds for process in family(pid))


def _shares(started: Sequence[ServiceProcess]) -> list[int]:
    """Returns how many partitions each downloader says that it has."""
    said = [_logged(member, "partitions_assigned") for member in started]
    return [int(lines[-1]["partitions"]) if lines else 0 for lines in said]


def _units(started: Sequence[ServiceProcess]) -> list[int]:
    """Returns how many units each downloader says that it ended."""
    return [len(_logged(member, "unit_ended")) for member in started]


def _logged(member: ServiceProcess, event: str) -> list[dict[str, Any]]:
    marked = (line for line in member.log().splitlines() if f'"{event}"' in line and line.endswith("}"))
    return [json.loads(line) for line in marked]


def compare(
    folder: Path, load: Load, runs: int, *, members: Sequence[int] = MEMBERS, connections: int = CONNECTIONS
) -> list[Column]:
    """Measures each number of downloaders in turn, several times."""
    samples: dict[int, list[Sample]] = {count: [] for count in members}
    pictures = list(drawn_jpegs(load.pictures, SIZES, quality=85))
    with serving(pictures, delay_seconds=DELAY_SECONDS) as port, site(folder, load.partitions) as at:
        for _ in range(runs):
            turn = {count: measure(at, port, load, count, connections) for count in members}
            for count, sample in turn.items():
                linear = count / members[0] * turn[members[0]][PER_SECOND]
                samples[count].append({**sample, LINEAR: sample[PER_SECOND] / linear})
    return [
        Column(label=f"{count} downloader{'s' * (count > 1)}", samples=found)
        for count, found in samples.items()
    ]


def benchmark(setup: Setup) -> Result:
    """Measures the recorded load, or one with fewer rows."""
    load = _load(rows=setup.size(ROWS, least=2 * ROWS_PER_HOST), units=UNITS_PER_PARTITION)
    return _result(load, CONNECTIONS, compare(setup.folder("downloaders"), load, setup.runs))


def _load(*, rows: int, units: int) -> Load:
    return Load(
        partitions=PARTITIONS,
        units_per_partition=units,
        rows=rows,
        rows_per_host=ROWS_PER_HOST,
        pictures=PICTURES,
    )


def _result(load: Load, connections: int, columns: Sequence[Column]) -> Result:
    return Result(
        name="downloaders",
        setup=f"{load.units} download units of {load.rows} rows from {load.hosts} hosts each, in "
        f"{load.partitions} partitions of a Kafka topic, stored on an S3 server; every answer comes after "
        f"{DELAY_SECONDS * 1000:.0f} ms, robots.txt and tdmrep.json included; {connections} connections a "
        f"unit, {UNITS_IN_FLIGHT} units at work in each downloader",
        columns=columns,
    )


def main() -> int:
    """Measures and prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.downloaders", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="turns of all numbers of downloaders")
    parser.add_argument(
        "--members", type=int, nargs="+", default=list(MEMBERS), choices=SHARES, help="how many downloaders"
    )
    parser.add_argument("--units", type=int, default=UNITS_PER_PARTITION, help="units of a partition")
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of a unit")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="connections of a unit")
    options = parser.parse_args()
    load = _load(rows=options.rows, units=options.units)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        columns = compare(
            Path(folder), load, options.runs, members=options.members, connections=options.connections
        )
    sys.stdout.write(f"{plain_table(_result(load, options.connections, columns))}\n{machine_line()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
