"""Download units as a planner hands them out: hosts of one partition each, rows stored, tasks for a topic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from pairmill.bus.port import Bus, Outgoing
from pairmill.ids import BUCKETS, bucket_of
from pairmill.ledger.paths import plan_id
from pairmill.stage.datasets import dataset_store
from pairmill.stage.messages import task_message
from pairmill.store.port import ObjectStore
from pairmill.units import new_task
from pairmill_protos.job.v1.job_pb2 import JobAdmitted, JobSpec
from pairmill_protos.unit.v1.unit_pb2 import DownloadInput, UnitInput
from tests.fakes.download import row, stored_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What there is to download: the same for every partition, so that members can share it evenly."""

    partitions: int
    units_per_partition: int
    rows: int  # of a unit
    rows_per_host: int
    pictures: int  # that the server has

    @property
    def hosts(self) -> int:
        """Hosts of a unit, which no other unit has."""
        return -(-self.rows // self.rows_per_host)

    @property
    def units(self) -> int:
        """Units of all partitions."""
        return self.partitions * self.units_per_partition

    @property
    def images(self) -> int:
        """Rows of all units, each with a URL of its own."""
        return self.units * self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that was admitted."""

    admitted: JobAdmitted
    spec: JobSpec

    @property
    def job_id(self) -> str:
        """Its id."""
        return self.admitted.job_id


def tasks_of(job: Job, load: Load, bus: Bus, store: ObjectStore, wave: int = 0) -> list[Outgoing]:
    """Stores the rows of all units and returns their tasks, partition by turn."""
    dataset = job.admitted.dataset
    units = [_rows(load, hosts, number) for number, hosts in enumerate(_hosts_of_units(load))]
    plan = stored_rows(dataset_store(store, dataset), units)
    messages = []
    for number, rows in enumerate(units):
        download = DownloadInput(rows=plan, row_group=number, first_bucket=rows[0]["bucket"])
        task = new_task(
            spec=job.admitted.spec,
            job_id=job.job_id,
            unit_id=f"{plan_id(job.job_id, wave, 0)}/d{number:05d}",
            unit_input=UnitInput(download=download),
            rows=len(rows),
        )
        messages.append(task_message(bus, task, job.spec, dataset))
    return messages


def _rows(load: Load, hosts: list[str], unit: int) -> list[dict[str, Any]]:
    first = unit * load.rows
    return [
        row(f"http://{hosts[number % len(hosts)]}/{number % load.pictures}/{number}.jpg", f"picture {number}")
        for number in range(first, first + load.rows)
    ]


def _hosts_of_units(load: Load) -> Iterator[list[str]]:
    """Yields the hosts of each unit: all of one partition, the partitions in turn."""
    free: dict[int, list[str]] = defaultdict(list)
    names = (f"site-{number}.example" for number in count())
    for unit in range(load.units):
        own = free[unit % load.partitions]
        while len(own) < load.hosts:
            name = next(names)
            free[bucket_of(name) * load.partitions // BUCKETS].append(name)
        yield own[: load.hosts]
        del own[: load.hosts]
