"""The load of the downloaders' benchmark: even over partitions, and every host in one unit."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairmill.bus.topics import create_topics
from pairmill.ids import BUCKETS, bucket_of
from pairmill.jobspec.profiles import profile
from pairmill_protos.job.v1.job_pb2 import JobAdmitted
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, UnitTask
from tests.bench.download_tasks import Job, Load, tasks_of
from tests.fakes.bus import MemoryBus
from tests.fakes.store import MemoryStore

LOAD = Load(partitions=4, units_per_partition=3, rows=7, rows_per_host=2, pictures=5)
JOB = Job(
    admitted=JobAdmitted(job_id="j", spec=ObjectRef(key="ledger/lists/spec"), dataset="jobs/j"),
    spec=profile("default"),
)


@pytest.fixture(scope="module")
def units() -> list[tuple[int, list[dict[str, Any]]]]:
    """Returns the partition and the rows of every task that was published."""
    bus, store = MemoryBus(), MemoryStore()
    create_topics(bus, LOAD.partitions)
    messages = tasks_of(JOB, LOAD, bus, store)
    tasks = [UnitTask.FromString(message.value) for message in messages]
    assert {task.dataset for task in tasks} == {"jobs/j"}
    file = pq.ParquetFile(pa.BufferReader(store.get(f"jobs/j/{tasks[0].input.download.rows.key}")))
    groups = [file.read_row_group(task.input.download.row_group).to_pylist() for task in tasks]
    return [(message.partition, group) for message, group in zip(messages, groups, strict=True)]


def test_every_partition_has_the_same_work(units: list[tuple[int, list[dict[str, Any]]]]) -> None:
    assert Counter(partition for partition, _ in units) == dict.fromkeys(range(4), 3)
    assert {len(rows) for _, rows in units} == {7}
    assert len({row["url"] for _, rows in units for row in rows}) == LOAD.images == 84


def test_hosts_lie_in_the_partition_of_their_unit_and_in_no_other_unit(
    units: list[tuple[int, list[dict[str, Any]]]],
) -> None:
    for partition, rows in units:
        assert {bucket_of(row["domain"]) * 4 // BUCKETS for row in rows} == {partition}
        assert len({row["host"] for row in rows}) == LOAD.hosts == 4
    assert len({row["host"] for _, rows in units for row in rows}) == 12 * LOAD.hosts
