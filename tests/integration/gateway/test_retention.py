"""The topic of signs of life stays short over a long run (U19, U20)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.bus.port import TopicPartition
from pairmill.stage.messages import progress_message, started_message
from pairmill.units import LEDGER_TOPIC, PROGRESS_TOPIC
from pairmill_gateway.driver import JobDriver
from pairmill_gateway.retention import KEEP_SECONDS, Retention
from pairmill_protos.unit.v1.unit_pb2 import UnitTask
from tests.fakes.driven_job import Job, new_job

SIGNS = TopicPartition(PROGRESS_TOPIC, 0)
HOURS = 3


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with new_job(tmp_path) as job:
        yield job


def driven(job: Job) -> JobDriver:
    driver = job.driver(retention=Retention(job.bus, SIGNS, job.clock))
    driver.step()
    return driver


def tasks(job: Job) -> list[UnitTask]:
    messages = [job.bus.read(TopicPartition("wat-tasks", part), start=0, max_records=10) for part in range(4)]
    return [UnitTask.FromString(message.value) for partition in messages for message in partition]


def kept(job: Job) -> list[int]:
    return [message.offset for message in job.bus.read(SIGNS, start=0, max_records=100_000)]


def test_u20_signs_of_life_do_not_pile_up_over_a_long_run(job: Job) -> None:
    driver = driven(job)
    worked = tasks(job)[0]
    most, largest, files = 0, 0, sorted((job.out.parent / "state").glob("bus.db*"))
    for _ in range(HOURS * 360):
        job.bus.publish([progress_message(job.bus, worked, "a", (1, 2))] * 5)
        job.clock.sleep(10.0)
        driver.step()
        most = max(most, len(kept(job)))
        largest = max(largest, sum(path.stat().st_size for path in files))
    assert most <= 5 * (2 * KEEP_SECONDS / 10.0 + 2)
    assert largest < 8 << 20
    assert job.bus.end_offset(SIGNS) == HOURS * 360 * 5


def test_u13_the_starts_of_open_units_stay(job: Job) -> None:
    driver = driven(job)
    first = tasks(job)[0]
    job.bus.publish([progress_message(job.bus, first, "a", (1, 2))] * 3)
    job.bus.publish([started_message(job.bus, first, "a")])
    for _ in range(100):
        job.bus.publish([progress_message(job.bus, first, "a", (1, 2))])
        job.clock.sleep(KEEP_SECONDS / 2)
        driver.step()
    assert kept(job)[0] == 3


def test_u5_a_job_whose_signs_were_trimmed_ends_as_any_other(job: Job) -> None:
    driver = driven(job)
    for _ in range(400):
        driver.step()
        if driver.ended is not None:
            break
        job.stages.step()
        job.clock.sleep(KEEP_SECONDS)
    assert driver.ended is not None
    assert driver.ended.state == "complete"
    ledger = job.bus.read(TopicPartition(LEDGER_TOPIC, 0), start=0, max_records=1)
    assert ledger[0].offset == 0, "the ledger is never trimmed"
