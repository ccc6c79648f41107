"""The manifest is written last, and whoever finishes a job again writes the same bytes."""

from __future__ import annotations

import pytest

from pairmill.bus.port import TopicPartition
from pairmill.dataset.audit import audit
from pairmill.errors import CorruptObjectError, NoSpaceError
from pairmill.ledger.follower import JobFollower
from pairmill.units import LEDGER_TOPIC
from pairmill_gateway.driver import JobDriver
from pairmill_gateway.ends import find_end
from pairmill_gateway.finisher import job_records
from tests.fakes.driven_job import Job
from tests.fakes.failing_store import FailingStore

LEDGER = TopicPartition(LEDGER_TOPIC, 0)


def _until_finished(job: Job, driver: JobDriver) -> None:
    for _ in range(100):
        driver.step()
        job.stages.step()
        job.clock.sleep(1.0)


@pytest.mark.parametrize("key", ["ledger/j", "report/", "report.html", "dataset.json"])
def test_g1_without_a_manifest_there_is_no_dataset_and_the_next_try_completes_it(job: Job, key: str) -> None:
    store = FailingStore(job.store, fails=key)
    driver = job.driver(store)
    with pytest.raises(NoSpaceError):
        _until_finished(job, driver)
    assert not (job.out / "dataset.json").exists()
    assert find_end(job.bus, job.builder.spec.job_id) is None
    driver.step()
    assert driver.ended is not None
    assert audit(job.out).findings == ()


def test_a15_finishing_again_writes_the_same_bytes(job: Job) -> None:
    first, second = job.driver(), job.driver()
    job.drive(first)
    written = (job.out / "dataset.json").read_bytes()
    second.step()
    assert second.ended == first.ended
    assert (job.out / "dataset.json").read_bytes() == written


def test_a15_who_slept_until_the_ledger_was_trimmed_finishes_nothing_again(job: Job) -> None:
    job.drive(job.driver())
    follower = JobFollower(job.bus, job.store, job.builder.spec_ref)
    follower.catch_up()
    names = ("dataset.json", f"ledger/{job.builder.spec.job_id}.parquet")
    written = [(job.out / name).read_bytes() for name in names]
    job.bus.trim(LEDGER, job.bus.end_offset(LEDGER) - 1)
    with pytest.raises(CorruptObjectError, match="are left"):
        job.finisher().finish(follower)
    assert [(job.out / name).read_bytes() for name in names] == written


def test_records_of_other_jobs_and_garbage_are_not_the_jobs(job: Job) -> None:
    job.drive(job.driver())
    records = list(job_records(job.bus, job.builder.spec.job_id))
    assert len(records) == len(job.stages.done)
    assert list(job_records(job.bus, "another")) == []
