"""Starts of open units, as whoever follows a job counts them (U13)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pairmill.bus.port import TopicPartition
from pairmill.bus.topics import create_topics
from pairmill.jobspec.profiles import profile
from pairmill.ledger.follower import JobFollower
from pairmill.stage.messages import handed_back_message, ledger_message, progress_message, started_message
from pairmill.units import PROGRESS_TOPIC
from pairmill_gateway.admission import admit
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, UnitDone, UnitTask
from tests.fakes.bus import MemoryBus
from tests.fakes.store import MemoryStore


class Followed:
    """A job of three WATs and whoever follows it."""

    def __init__(self) -> None:
        self.bus, self.store = MemoryBus(), MemoryStore()
        create_topics(self.bus, 4)
        self.admission = admit(profile("everything"), ("/wat-0", "/wat-1", "/wat-2"))
        for key, data in self.admission.objects.items():
            self.store.put(key, data)
        self.follower = self.new()
        self.tasks: list[UnitTask] = list(self.follower.root.crawl_tasks(0))

    def new(self) -> JobFollower:
        return JobFollower(self.bus, self.store, self.admission.spec_ref)

    def start(self, task: UnitTask, attempt: str) -> None:
        self.bus.publish([started_message(self.bus, task, attempt)])

    def hand_back(self, task: UnitTask, attempt: str) -> None:
        self.bus.publish([handed_back_message(self.bus, task, attempt)])

    def close(self, task: UnitTask) -> None:
        done = UnitDone(
            job_id=task.job_id, stage=task.stage, unit_id=task.unit_id, input_digest=task.input_digest
        )
        self.bus.publish([ledger_message(self.bus, task.job_id, LedgerRecord(done=done))])

    def starts(self, task: UnitTask, follower: JobFollower | None = None) -> int:
        follower = follower or self.follower
        follower.catch_up()
        follower.catch_up_progress()
        follower.forget_closed()
        return follower.starts(task.unit_id, task.input_digest)


@pytest.fixture
def job() -> Followed:
    return Followed()


def test_u13_each_attempt_that_started_counts_once(job: Followed) -> None:
    task = job.tasks[0]
    for attempt in ("a", "b", "a"):
        job.start(task, attempt)
    assert job.starts(task) == 2
    assert job.starts(job.tasks[1]) == 0


def test_u13_a_start_that_was_handed_back_does_not_count(job: Followed) -> None:
    task = job.tasks[0]
    job.start(task, "a")
    job.hand_back(task, "a")
    job.start(task, "b")
    assert job.starts(task) == 1
    job.hand_back(task, "never-started")
    assert job.starts(task) == 1


def test_signs_of_closed_units_are_forgotten(job: Followed) -> None:
    task = job.tasks[0]
    job.start(task, "a")
    assert job.starts(task) == 1
    assert task.unit_id in job.follower.last_progress
    job.close(task)
    assert job.starts(task) == 0
    assert job.follower.last_progress == {}


def test_u13_what_is_needed_of_the_signs_starts_with_the_oldest_start_of_an_open_unit(job: Followed) -> None:
    first, second, _ = job.tasks
    job.start(first, "a")
    job.bus.publish([progress_message(job.bus, first, "a", (1, 2))])
    job.start(second, "b")
    job.starts(first)
    assert job.follower.progress_needed_from() == 0
    job.close(first)
    job.starts(first)
    assert job.follower.progress_needed_from() == 2
    job.bus.trim(TopicPartition(PROGRESS_TOPIC, 0), job.follower.progress_needed_from())
    assert job.starts(second, job.new()) == 1
    job.close(second)
    job.starts(second)
    assert job.follower.progress_needed_from() == 3


def test_u13_the_start_of_an_orphan_keeps_no_signs_from_being_deleted(job: Followed) -> None:
    """An attempt that died after its follow-ups were published leaves such units behind."""
    counted, orphan = job.tasks[0], UnitTask()
    orphan.CopyFrom(counted)
    orphan.input_digest = b"of another input"
    job.start(orphan, "a")
    job.start(counted, "b")
    job.start(job.tasks[1], "c")
    assert (job.starts(orphan), job.starts(counted)) == (0, 1)
    assert job.follower.last_progress[counted.unit_id].attempt == "b"
    job.start(orphan, "d")
    assert job.starts(counted) == 1
    assert job.follower.last_progress[counted.unit_id].attempt == "b"
    job.close(counted)
    job.starts(counted)
    assert job.follower.progress_needed_from() == 2


def test_u13_what_an_orphan_said_before_its_place_was_taken_is_forgotten(job: Followed) -> None:
    parent, orphan = job.tasks[0], UnitTask()
    orphan.CopyFrom(parent)
    orphan.unit_id = f"{parent.unit_id}/x"
    job.start(orphan, "a")
    assert job.starts(orphan) == 1, "its parent may yet name it"
    job.close(parent)
    assert job.starts(orphan) == 0
    assert job.follower.last_progress == {}


def test_u19_records_that_bear_another_jobs_key_are_not_read(job: Followed) -> None:
    """Jobs share partitions; the key tells whose a record is, so that the others need no parsing."""
    task = job.tasks[0]
    done = UnitDone(
        job_id=task.job_id, stage=task.stage, unit_id=task.unit_id, input_digest=task.input_digest
    )
    ours = [
        ledger_message(job.bus, task.job_id, LedgerRecord(done=done)),
        started_message(job.bus, task, "a"),
    ]
    job.bus.publish([replace(message, key=b"j-another/" + message.key) for message in ours])
    assert job.starts(task) == 0
    assert job.follower.walk.is_open(task.unit_id)
    job.bus.publish(ours)
    assert job.follower.catch_up() == 1
    assert not job.follower.walk.is_open(task.unit_id)


def test_what_is_no_record_is_passed_over(job: Followed) -> None:
    message = ledger_message(job.bus, job.tasks[0].job_id, LedgerRecord())
    job.bus.publish([replace(message, value=b"\xff\xff"), message])
    assert job.follower.catch_up() == 0
    job.close(job.tasks[0])
    assert job.follower.catch_up() == 1
