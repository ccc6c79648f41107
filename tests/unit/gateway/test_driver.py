"""A gateway drives a job to its end, whatever gets lost on the way."""

from __future__ import annotations

from pathlib import Path

from pairmill.bus.port import TopicPartition
from pairmill.dataset.audit import audit
from pairmill.dataset.diff import diff
from pairmill.dataset.reader import Dataset
from pairmill.stage.messages import failed_message
from pairmill.units import STAGE_TOPICS
from pairmill_gateway.ends import find_end
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitTask
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options
from tests.fakes.driven_job import WORLD, Job


def test_a_driven_job_ends_with_a_dataset_that_closes(job: Job, tmp_path: Path) -> None:
    driver = job.driver()
    job.drive(driver)
    assert driver.ended is not None
    assert driver.ended.state == "complete"
    assert audit(job.out).findings == ()
    build_dataset(tmp_path / "plain", Options(world=WORLD, attempt_seed=9))
    assert diff(job.out, tmp_path / "plain").same
    assert job.sink.status is not None
    assert job.sink.status.state == "complete"


def test_the_report_stands_under_its_jobs_name_and_where_people_look(job: Job) -> None:
    job.drive(job.driver())
    manifest = Dataset.open(job.out).manifest
    (report,) = Dataset.open(job.out).files("report")
    assert report.path == f"report/{manifest.job_id}.html"
    assert (job.out / report.path).read_bytes() == (job.out / "report.html").read_bytes()


def test_an_ended_job_is_not_driven_again(job: Job) -> None:
    job.drive(job.driver())
    before = (job.out / "dataset.json").stat().st_mtime_ns
    offsets = [job.bus.end_offset(TopicPartition("wat-tasks", number)) for number in range(4)]
    again = job.driver()
    again.step()
    assert again.ended == find_end(job.bus, job.builder.spec.job_id)
    assert (job.out / "dataset.json").stat().st_mtime_ns == before
    assert [job.bus.end_offset(TopicPartition("wat-tasks", number)) for number in range(4)] == offsets


def test_a15_two_gateways_at_once_give_one_dataset(job: Job) -> None:
    first, second = job.driver(), job.driver()
    for _ in range(200):
        first.step()
        second.step()
        job.stages.step()
        job.clock.sleep(1.0)
        if first.ended is not None and second.ended is not None:
            break
    assert first.ended == second.ended
    assert audit(job.out).findings == ()


def test_g9_a_gateway_that_starts_anew_goes_on_where_the_ledger_stands(job: Job) -> None:
    for _ in range(30):
        driver = job.driver()
        driver.step()
        if driver.ended is not None:
            break
        job.stages.step()
    assert driver.ended is not None
    assert audit(job.out).findings == ()


def test_a13_tasks_of_a_topic_made_anew_are_handed_out_again(job: Job) -> None:
    driver = job.driver()
    driver.step()
    (topic,) = STAGE_TOPICS[Stage.STAGE_CRAWL]
    job.bus.delete_topic(topic)
    job.bus.create_topic(topic, 4)
    job.drive(driver)
    assert audit(job.out).findings == ()
    assert set(job.repeats.seen) == {("lost", 1)}


def test_a13_it_is_told_how_often_a_task_got_lost(job: Job) -> None:
    driver = job.driver()
    (topic,) = STAGE_TOPICS[Stage.STAGE_CRAWL]
    for _ in range(2):
        driver.step()
        job.bus.delete_topic(topic)
        job.bus.create_topic(topic, 4)
        job.clock.sleep(100.0)  # each wait is twice as long as the one before
    driver.step()
    assert set(job.repeats.seen) == {("lost", 1), ("lost", 2)}


def test_u13_it_is_told_of_each_attempt_that_failed(job: Job) -> None:
    driver = job.driver()
    driver.step()
    (topic,) = STAGE_TOPICS[Stage.STAGE_CRAWL]
    found = [job.bus.read(TopicPartition(topic, number), start=0, max_records=1) for number in range(4)]
    task = UnitTask.FromString(next(messages[0].value for messages in found if messages))
    for number in (1, 2):
        job.bus.publish([failed_message(job.bus, task, f"{number:08d}", ValueError("no such table"))])
        driver.step()
    assert job.repeats.seen == [("failed", 1), ("failed", 2)]
    job.drive(driver)
    assert audit(job.out).findings == ()


def test_a13_a_unit_that_merely_waits_its_turn_is_not_doubled(job: Job) -> None:
    driver = job.driver()
    driver.step()
    offsets = [job.bus.end_offset(TopicPartition("wat-tasks", number)) for number in range(4)]
    for _ in range(100):
        driver.step()
        job.clock.sleep(10.0)
    assert [job.bus.end_offset(TopicPartition("wat-tasks", number)) for number in range(4)] == offsets
