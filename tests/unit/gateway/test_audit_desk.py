"""By what records a job is complete, or why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pairmill.bus.port import Message, TopicPartition
from pairmill.dataset.audit import audit
from pairmill.errors import InvalidRecordError
from pairmill.stage.messages import failed_message, ledger_message, poison_messages, started_message
from pairmill_gateway.rpc.ports import Page, WrongStateError
from pairmill_protos.common.v1.outcome_pb2 import Outcome
from pairmill_protos.gateway.v1.audit_service_pb2 import OpenUnit
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, Stage, UnitTask
from tests.fakes.cluster import CALLER, WORLD, Cluster, Gateway
from tests.fakes.dataset_options import Options, small_spec

ALL_STAGES = Stage.STAGE_UNSPECIFIED


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def paused_at(cluster: Cluster, stage: Stage.ValueType) -> tuple[str, Gateway]:
    """A job whose units of one stage lie open."""
    job_id = cluster.admit(3)
    cluster.stages[job_id].idle_stages = {stage}
    gateway = cluster.gateway()
    for _ in range(8):
        cluster.turn(gateway)
    return job_id, gateway


def test_the_funnel_of_a_running_job_says_what_is_still_open(cluster: Cluster) -> None:
    job_id, gateway = paused_at(cluster, Stage.STAGE_SCORE)
    funnel = gateway.audits.funnel(job_id, CALLER)
    assert [stage.stage for stage in funnel.stages] == [
        Stage.STAGE_CRAWL,
        Stage.STAGE_PLAN,
        Stage.STAGE_DOWNLOAD,
        Stage.STAGE_EMBED,
    ]
    for stage in funnel.stages:
        assert stage.rows_in == sum(count.rows for count in stage.counts) > 0
    assert "units are open" in funnel.problems[0]


def test_the_funnel_of_an_ended_job_closes_and_is_that_of_its_manifest(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    gateway = cluster.gateway()
    cluster.drive(gateway)
    funnel = gateway.audits.funnel(job_id, CALLER)
    assert list(funnel.problems) == []
    assert funnel.stages[-1].stage == Stage.STAGE_FINALISE
    kept = [count.rows for count in funnel.stages[-1].counts if count.outcome == Outcome.OUTCOME_KEPT]
    assert sum(kept) > 0


def test_open_units_are_listed_with_age_and_starts_page_by_page(cluster: Cluster) -> None:
    job_id, gateway = paused_at(cluster, Stage.STAGE_SCORE)
    task = open_tasks(gateway, job_id)[0]
    cluster.bus.publish([started_message(cluster.bus, task, "0000000a")])
    for _ in range(8):
        cluster.turn(gateway)
    page = Page(size=1)
    seen = list[OpenUnit]()
    while True:
        answer = gateway.audits.open_units(job_id, ALL_STAGES, page, CALLER)
        seen.extend(answer.units)
        if not answer.next_page_token:
            break
        page = Page(size=1, after=answer.next_page_token)
    assert {unit.unit_id for unit in seen} == {task.unit_id for task in open_tasks(gateway, job_id)}
    assert all(unit.stage == Stage.STAGE_SCORE and unit.age_seconds >= 5 for unit in seen)
    assert [unit.starts for unit in seen if unit.unit_id == task.unit_id] == [1]
    score = gateway.audits.open_units(job_id, Stage.STAGE_SCORE, Page(size=99), CALLER)
    assert list(score.units) == seen
    crawl = gateway.audits.open_units(job_id, Stage.STAGE_CRAWL, Page(size=9), CALLER)
    assert list(crawl.units) == []


def test_a_page_of_open_units_goes_on_where_the_one_before_ended_whatever_has_closed(
    cluster: Cluster,
) -> None:
    job_id, gateway = paused_at(cluster, Stage.STAGE_SCORE)
    order = [task.unit_id for task in open_tasks(gateway, job_id)]
    assert len(order) > 3
    first = gateway.audits.open_units(job_id, ALL_STAGES, Page(size=2), CALLER)
    assert [unit.unit_id for unit in first.units] == order[:2]
    for task in open_tasks(gateway, job_id)[:3]:
        give_up(cluster, task)
    cluster.turn(gateway)
    heir = cluster.gateway()
    for _ in range(4):
        heir.loop.turn()
    for answers in (gateway, heir):
        page = Page(size=99, after=first.next_page_token)
        rest = answers.audits.open_units(job_id, ALL_STAGES, page, CALLER)
        assert [unit.unit_id for unit in rest.units] == order[3:]
        assert rest.next_page_token == ""


def test_a_page_of_dead_letters_goes_on_over_the_end_of_the_job(cluster: Cluster) -> None:
    job_id, gateway = paused_at(cluster, Stage.STAGE_SCORE)
    dead = open_tasks(gateway, job_id)[:3]
    for task in dead:
        give_up(cluster, task)
    for message in cluster.bus.messages("score-tasks")[:2]:
        publish_poison(cluster, replace(message, value=b"no task"))
    cluster.turn(gateway)
    whole = gateway.audits.dead_letters(job_id, Page(size=9), CALLER).letters
    assert [letter.unit_id for letter in whole[:3]] == [task.unit_id for task in dead]
    first = gateway.audits.dead_letters(job_id, Page(size=2), CALLER)
    fourth = gateway.audits.dead_letters(job_id, Page(size=4), CALLER)
    cluster.stages[job_id].done.update({task.unit_id: LedgerRecord() for task in dead})
    cluster.stages[job_id].idle_stages = set()
    cluster.drive(gateway)
    rest = gateway.audits.dead_letters(job_id, Page(size=9, after=first.next_page_token), CALLER)
    assert list(rest.letters) == whole[2:]
    source = TopicPartition("dead-letters", 0)
    cluster.bus.trim(source, cluster.bus.end_offset(source) - 1)  # the one that the page ended with is gone
    last = gateway.audits.dead_letters(job_id, Page(size=9, after=fourth.next_page_token), CALLER)
    assert list(last.letters) == whole[4:]


def test_a_page_of_orphans_goes_on_behind_the_one_before(cluster: Cluster) -> None:
    job_id, gateway = paused_at(cluster, Stage.STAGE_SCORE)
    record = next(iter(cluster.stages[job_id].done.values()))
    for attempt in ("0badcaf0", "0badcaf1", "0badcaf2"):
        late = LedgerRecord()
        late.CopyFrom(record)
        late.done.attempt = attempt
        cluster.bus.publish([ledger_message(cluster.bus, job_id, late)])
    cluster.turn(gateway)
    first = gateway.audits.orphans(job_id, Page(size=2), CALLER)
    rest = gateway.audits.orphans(job_id, Page(size=2, after=first.next_page_token), CALLER)
    assert [orphan.attempt for orphan in [*first.orphans, *rest.orphans]] == [
        "0badcaf0",
        "0badcaf1",
        "0badcaf2",
    ]
    assert rest.next_page_token == ""


def test_g3_what_counts_for_nothing_is_listed_while_a_job_runs_and_after(cluster: Cluster) -> None:
    job_id, gateway = paused_at(cluster, Stage.STAGE_SCORE)
    record = next(iter(cluster.stages[job_id].done.values()))
    late = LedgerRecord()
    late.CopyFrom(record)
    late.done.attempt = "0badcafe"
    cluster.bus.publish([ledger_message(cluster.bus, job_id, late)])
    cluster.turn(gateway)
    running = gateway.audits.orphans(job_id, Page(size=9), CALLER)
    assert [(orphan.unit_id, orphan.attempt) for orphan in running.orphans] == [
        (record.done.unit_id, "0badcafe")
    ]
    cluster.stages[job_id].idle_stages = set()
    cluster.drive(gateway)
    assert gateway.audits.orphans(job_id, Page(size=9), CALLER) == running


def test_a6_what_could_not_be_read_and_what_was_given_up_are_dead_letters(cluster: Cluster) -> None:
    job_id, gateway = paused_at(cluster, Stage.STAGE_SCORE)
    task = open_tasks(gateway, job_id)[0]
    give_up(cluster, task)
    message = cluster.bus.messages("score-tasks")[0]
    damaged = replace(message, value=b"no task")
    publish_poison(cluster, damaged)
    publish_poison(cluster, replace(damaged, headers=()))
    for _ in range(3):
        cluster.turn(gateway)
    letters = gateway.audits.dead_letters(job_id, Page(size=9), CALLER).letters
    assert (letters[0].unit_id, letters[0].error) == (task.unit_id, "ValueError: no such table")
    assert letters[0].rows == task.rows
    assert letters[1].source == f"score-tasks/{message.partition}/{message.offset}"
    nameless = gateway.audits.dead_letters("", Page(size=9), CALLER).letters
    assert [letter.unit_id for letter in nameless] == [""]


def test_u16_a_replay_admits_a_repair_in_the_folder_of_its_base(cluster: Cluster) -> None:
    options = Options(world=WORLD, spec=small_spec(3))
    base = cluster.admit(options=options)
    gateway = cluster.gateway()
    cluster.stages[base].idle_stages = {Stage.STAGE_EMBED}
    cluster.drive(gateway, until=lambda: bool(cluster.bus.messages("embed-tasks")))
    for _ in range(4):
        cluster.turn(gateway)
    with pytest.raises(WrongStateError, match="has not ended"):
        gateway.audits.replay(base, False, CALLER)
    dead = next(task for task in open_tasks(gateway, base) if task.stage == Stage.STAGE_EMBED)
    for attempt in ("00000001", "00000002", "00000003"):
        cluster.bus.publish([failed_message(cluster.bus, dead, attempt, ValueError("no"))])
    cluster.turn(gateway)
    cluster.stages[base].done[dead.unit_id] = LedgerRecord()
    cluster.stages[base].idle_stages = set()
    cluster.drive(gateway)
    ended = gateway.ended(base)
    assert ended is not None
    assert ended.state == "incomplete"
    assert list(ended.lacks) == ["1 embed unit(s) failed three times"]
    replay = gateway.audits.replay(base, False, CALLER)
    assert replay.rows > 0
    entry = gateway.book.get(replay.job_id)
    assert entry is not None
    assert entry.admitted.dataset == base
    assert gateway.audits.replay(base, True, CALLER).job_id == replay.job_id, "the same repair is one job"
    with pytest.raises(WrongStateError, match="fork"):
        gateway.audits.replay(base, False, CALLER)
    assert audit(cluster.out / base).findings == ()


def test_u16_without_dead_letters_there_is_nothing_to_replay(cluster: Cluster) -> None:
    job_id = cluster.admit(2)
    gateway = cluster.gateway()
    cluster.drive(gateway)
    with pytest.raises(WrongStateError, match="no dead letters"):
        gateway.audits.replay(job_id, False, CALLER)


def open_tasks(gateway: Gateway, job_id: str) -> list[UnitTask]:
    job = gateway.running.get(job_id)
    assert job is not None
    with job.held() as follower:
        return list(follower.walk.open_units())


def give_up(cluster: Cluster, task: UnitTask) -> None:
    """Lets a unit fail for the last time."""
    for attempt in ("00000001", "00000002", "00000003"):
        cluster.bus.publish([failed_message(cluster.bus, task, attempt, ValueError("no such table"))])


def publish_poison(cluster: Cluster, message: Message) -> None:
    assert TopicPartition(message.topic, message.partition) == message.source
    error = InvalidRecordError("the record is no task")
    cluster.bus.publish(poison_messages(cluster.bus, message, Stage.STAGE_SCORE, error)[:1])
