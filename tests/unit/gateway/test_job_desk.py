"""What the API is told of jobs, and what it does to them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pairmill.errors import ConfigurationError, RetriableError
from pairmill.rpc.callers import Role
from pairmill.stage.messages import failed_message
from pairmill_gateway.rpc.ports import Page, UnknownJobError, WrongStateError
from pairmill_models.tiny import bundle_path
from pairmill_protos.gateway.v1.job_service_pb2 import JobState, SubmitJobRequest
from pairmill_protos.gateway.v1.unit_service_pb2 import UnitKey, UnitStanding
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitTask
from tests.fakes.cluster import CALLER, Cluster, Gateway

STRANGER = replace(CALLER, name="stranger", tenant="elsewhere")
WATS = ["https://host.example/a.wat.gz", "https://host.example/b.wat.gz"]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    made = Cluster(tmp_path)
    (tmp_path / "bundles").mkdir()
    (tmp_path / "bundles" / "tiny").symlink_to(bundle_path())
    return made


@pytest.fixture
def gateway(cluster: Cluster) -> Gateway:
    made = cluster.gateway()
    made.loop.turn()
    return made


def request(**fields: object) -> SubmitJobRequest:
    return SubmitJobRequest(**{"wats": WATS, "profile": "everything", **fields})  # type: ignore[arg-type] # as given


# Submit


def test_u19_the_same_submission_is_one_job_whichever_gateway_is_asked(
    cluster: Cluster, gateway: Gateway
) -> None:
    other = cluster.gateway()
    other.loop.turn()
    first, created = gateway.jobs.submit(request(), CALLER)
    again, created_again = other.jobs.submit(request(), CALLER)
    assert (created, created_again) == (True, False)
    assert first.job_id == again.job_id
    assert cluster.bus.end_offset_of("jobs") == 1
    assert first.dataset == f"file://{cluster.out}/{first.job_id}"
    assert first.HasField("admitted_at")


def test_u19_a_key_makes_repeated_calls_one_job_and_another_request_is_refused(gateway: Gateway) -> None:
    first, _ = gateway.jobs.submit(request(idempotency_key="monday"), CALLER)
    again, created = gateway.jobs.submit(request(idempotency_key="monday"), CALLER)
    assert (again.job_id, created) == (first.job_id, False)
    with pytest.raises(ConfigurationError, match=r"idempotency_key: .* score.max_unsafe_score: .* -> 0.3"):
        gateway.jobs.submit(
            request(idempotency_key="monday", settings={"score.max_unsafe_score": "0.3"}), CALLER
        )
    elsewhere, _ = gateway.jobs.submit(request(idempotency_key="monday"), STRANGER)
    assert elsewhere.job_id != first.job_id, "keys are a tenant's own"


def test_u19_a_job_is_read_from_the_place_where_its_records_begin(cluster: Cluster, gateway: Gateway) -> None:
    cluster.admit(2)
    cluster.drive(gateway)
    before = cluster.bus.end_offset_of("ledger")
    assert before > 0
    job, _ = gateway.jobs.submit(request(), CALLER)
    entry = gateway.book.get(job.job_id)
    assert entry is not None
    assert entry.admitted.ledger_offset == before
    gateway.loop.turn()
    running = gateway.running.get(job.job_id)
    assert running is not None
    with running.held() as follower:
        assert follower.walk.open_count == len(WATS)


def test_validating_admits_nothing(cluster: Cluster, gateway: Gateway) -> None:
    job, created = gateway.jobs.submit(request(validate_only=True), CALLER)
    assert not created
    assert not job.HasField("admitted_at")
    assert job.spec.wat_count == 2
    assert cluster.bus.end_offset_of("jobs") == 0
    assert not (cluster.out / job.job_id).exists()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"wats": []}, "wats: name at least one"),
        ({"wats": ["relative.wat.gz"]}, "wats: line 1: .* absolute path"),
        ({"wats": ["ftp://host.example/a.wat.gz"]}, "wats: line 1"),
        ({"profile": "none-such"}, "profile: there is no profile"),
        ({"bundle": "none-such"}, "bundle: there is no bundle .* tiny"),
        ({"settings": {"score.none_such": "1"}}, "score.none_such: there is no such setting"),
        ({"limit": 0}, "limit: 0 is too small"),
        ({"exclude": ["no url"]}, "exclude: line 1"),
        ({"wats": [f"https://host.example/{number}" for number in range(1001)]}, "wats: 1,001 are too many"),
    ],
)
def test_a_wrong_request_names_the_field(gateway: Gateway, fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        gateway.jobs.submit(request(**fields), CALLER)


def test_what_a_job_is_made_of_stands_in_its_folder_before_it_is_announced(
    cluster: Cluster, gateway: Gateway
) -> None:
    job, _ = gateway.jobs.submit(request(exclude=["https://host.example/x.jpg"]), CALLER)
    entry = gateway.book.get(job.job_id)
    assert entry is not None
    store = gateway.workshop.store_of(entry)
    assert store.stat(entry.admitted.spec.key) is not None
    assert store.get(job.spec.wat_list.key).decode().splitlines() == WATS
    assert job.spec.plan.exclusion_list.rows == 1


def test_a_gateway_that_has_not_read_the_jobs_yet_says_so(cluster: Cluster) -> None:
    with pytest.raises(RetriableError, match="still reading"):
        cluster.gateway().jobs.submit(request(), CALLER)


# Get and list


def test_h3_a_job_of_another_tenant_is_not_there_and_administrators_see_all(
    cluster: Cluster, gateway: Gateway
) -> None:
    job, _ = gateway.jobs.submit(request(), CALLER)
    gateway.loop.turn()
    with pytest.raises(UnknownJobError):
        gateway.jobs.get(job.job_id, STRANGER)
    assert gateway.jobs.list(Page(size=10), (), STRANGER) == ([], "")
    assert gateway.jobs.get(job.job_id, replace(STRANGER, role=Role.ADMIN)).job_id == job.job_id


def test_a_running_job_shows_its_progress_and_an_ended_one_its_manifest(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    cluster.stages[job_id].idle_stages = {Stage.STAGE_SCORE}
    gateway = cluster.gateway()
    for _ in range(6):
        cluster.turn(gateway)
    running = gateway.jobs.get(job_id, CALLER)
    assert running.state == JobState.JOB_STATE_DRAINING
    crawl, score = running.progress.stages[0], running.progress.stages[4]
    assert (crawl.stage, crawl.units_open, crawl.units_closed) == (Stage.STAGE_CRAWL, 0, 3)
    assert (score.stage, score.units_closed) == (Stage.STAGE_SCORE, 0)
    assert score.units_open > 0
    assert running.progress.candidates_ended > 0
    assert running.spec.job_id == job_id
    cluster.stages[job_id].idle_stages = set()
    cluster.drive(gateway)
    gateway.loop.turn()
    ended = gateway.jobs.get(job_id, CALLER)
    assert ended.state == JobState.JOB_STATE_COMPLETE
    assert ended.manifest.key == "dataset.json"
    manifest = json.loads((cluster.out / job_id / "dataset.json").read_text())
    kept = sum(
        row["count"] for row in manifest["funnel"] if (row["stage"], row["outcome"]) == ("score", "kept")
    )
    assert ended.progress.candidates_passed == kept > 0


def test_jobs_are_listed_newest_first_page_by_page(cluster: Cluster) -> None:
    jobs = [cluster.admit(wats) for wats in (1, 2, 3)]
    gateway = cluster.gateway()
    gateway.loop.turn()
    first, after = gateway.jobs.list(Page(size=2), (), CALLER)
    second, end = gateway.jobs.list(Page(size=2, after=after), (), CALLER)
    assert [job.job_id for job in (*first, *second)] == jobs[::-1]
    assert end == ""
    found, _ = gateway.jobs.list(Page(size=9), (JobState.JOB_STATE_COMPLETE,), CALLER)
    assert found == []


# Cancel


def test_u18_a_cancelled_job_ends_and_keeps_nothing_but_its_record(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    cluster.stages[job_id].idle_stages = {Stage.STAGE_SCORE}
    gateway = cluster.gateway()
    for _ in range(6):
        cluster.turn(gateway)
    open_unit = first_open(gateway, job_id)
    assert gateway.jobs.cancel(job_id, "enough", CALLER).state == JobState.JOB_STATE_CANCELLED
    assert standing(gateway, open_unit) == UnitStanding(wanted=False)
    assert gateway.jobs.cancel(job_id, "again", CALLER).job_id == job_id, "the same again does no harm"
    cluster.drive(gateway)
    cluster.drive(gateway, until=lambda: not list((cluster.out / job_id).rglob("*.tar")))
    assert gateway.jobs.get(job_id, CALLER).state == JobState.JOB_STATE_CANCELLED
    assert gateway.jobs.get(job_id, CALLER).lacks


def test_u18_a_cancel_is_refused_once_the_finalisation_is_expected(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    gateway = cluster.gateway()
    cluster.drive(gateway, until=lambda: state(gateway, job_id) == JobState.JOB_STATE_FINALISING)
    with pytest.raises(WrongStateError, match="finalisation"):
        gateway.jobs.cancel(job_id, "too late", CALLER)
    cluster.drive(gateway)
    with pytest.raises(WrongStateError, match="ended"):
        gateway.jobs.cancel(job_id, "too late", CALLER)


# Blocked, and resumed


def test_u13_a_blocked_job_waits_and_goes_on_when_it_is_resumed(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    gateway = cluster.gateway()
    cluster.stages[job_id].idle_stages = {Stage.STAGE_PLAN}
    cluster.drive(gateway, until=lambda: first_open(gateway, job_id).stage == Stage.STAGE_PLAN)
    task = first_open(gateway, job_id)
    for attempt in ("00000001", "00000002", "00000003"):
        cluster.bus.publish([failed_message(cluster.bus, task, attempt, ValueError("no such table"))])
    cluster.turn(gateway)
    cluster.turn(gateway)
    shown = gateway.jobs.get(job_id, CALLER)
    assert shown.state == JobState.JOB_STATE_BLOCKED
    assert (shown.blocked.unit_id, shown.blocked.error) == (task.unit_id, "ValueError: no such table")
    before = cluster.bus.end_offset_of("plan-tasks")
    for _ in range(100):
        cluster.turn(gateway)
    assert cluster.bus.end_offset_of("plan-tasks") == before, "what blocks it is not tried again by itself"
    heir = cluster.gateway()
    cluster.turn(heir)
    cluster.turn(heir)
    assert state(heir, job_id) == JobState.JOB_STATE_BLOCKED, "a restart is no resume"
    assert heir.jobs.resume(job_id, CALLER).state == JobState.JOB_STATE_CRAWLING
    cluster.turn(heir)
    assert cluster.bus.end_offset_of("plan-tasks") > before
    cluster.stages[job_id].idle_stages = set()
    cluster.drive(heir)
    assert state(heir, job_id) == JobState.JOB_STATE_COMPLETE


def test_u13_in_a_blocked_job_only_what_blocks_it_waits(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    gateway = cluster.gateway()
    cluster.stages[job_id].idle_stages = {Stage.STAGE_PLAN}
    cluster.drive(gateway, until=lambda: len(handed_out(cluster, "plan-tasks")) >= 2)
    cluster.turn(gateway)
    blocking, other = open_tasks(gateway, job_id)[:2]
    assert {blocking.stage, other.stage} == {Stage.STAGE_PLAN}
    for attempt in ("00000001", "00000002", "00000003"):
        cluster.bus.publish([failed_message(cluster.bus, blocking, attempt, ValueError("no such table"))])
    cluster.bus.publish([failed_message(cluster.bus, other, "00000001", ValueError("once"))])
    cluster.turn(gateway)
    cluster.turn(gateway)
    assert state(gateway, job_id) == JobState.JOB_STATE_BLOCKED
    assert handed_out(cluster, "plan-tasks")[blocking.unit_id] == 1
    assert handed_out(cluster, "plan-tasks")[other.unit_id] == 2
    cluster.stages[job_id].idle_stages = set()
    cluster.drive(gateway)
    assert state(gateway, job_id) == JobState.JOB_STATE_COMPLETE


def test_a_job_that_is_not_blocked_cannot_be_resumed(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    gateway = cluster.gateway()
    cluster.turn(gateway)
    with pytest.raises(WrongStateError, match="not blocked"):
        gateway.jobs.resume(job_id, CALLER)


# Standings


def test_u2a_stages_are_told_what_is_wanted(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    gateway = cluster.gateway()
    assert standing(gateway, next(iter(crawl_tasks(cluster, job_id)))).wanted, "nothing is known yet"
    cluster.turn(gateway)
    cluster.turn(gateway)
    task = next(iter(crawl_tasks(cluster, job_id)))
    cluster.drive(gateway, until=lambda: not standing(gateway, task).wanted)
    unknown = UnitTask(job_id="jnone", unit_id="jnone/w0000/c000000", input_digest=b"x" * 16)
    assert standing(gateway, unknown).wanted
    cluster.drive(gateway)
    assert not standing(gateway, task).wanted


def handed_out(cluster: Cluster, topic: str) -> Counter[str]:
    """How often each unit's task was published."""
    return Counter(message.key.decode() for message in cluster.bus.messages(topic))


def open_tasks(gateway: Gateway, job_id: str) -> list[UnitTask]:
    job = gateway.running.get(job_id)
    assert job is not None
    with job.held() as follower:
        return list(follower.walk.open_units())


def first_open(gateway: Gateway, job_id: str) -> UnitTask:
    job = gateway.running.get(job_id)
    if job is None or not job.has_caught_up:
        return UnitTask()
    with job.held() as follower:
        return next(follower.walk.open_units(), UnitTask())


def crawl_tasks(cluster: Cluster, job_id: str) -> list[UnitTask]:
    source = cluster.bus.messages("wat-tasks")
    tasks = [UnitTask.FromString(message.value) for message in source]
    return [task for task in tasks if task.job_id == job_id] or [
        UnitTask(job_id=job_id, unit_id=f"{job_id}/w0000/c000000", input_digest=b"x" * 16)
    ]


def standing(gateway: Gateway, task: UnitTask) -> UnitStanding:
    key = UnitKey(job_id=task.job_id, unit_id=task.unit_id, input_digest=task.input_digest)
    return gateway.standings.ask([key])[0]


def state(gateway: Gateway, job_id: str) -> JobState.ValueType:
    gateway.loop.turn()
    return gateway.jobs.get(job_id, CALLER).state
