"""What the services answer, and how they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from pairmill.errors import ConfigurationError, CorruptObjectError, RetriableError
from pairmill.rpc.callers import Role
from pairmill_protos.gateway.v1.audit_service_pb2 import (
    DeadLetter,
    GetFunnelRequest,
    ListDeadLettersRequest,
    ListOpenUnitsRequest,
    ListOrphansRequest,
    OpenUnit,
    Orphan,
    ReplayDeadLettersRequest,
)
from pairmill_protos.gateway.v1.audit_service_pb2_grpc import AuditServiceStub
from pairmill_protos.gateway.v1.error_details_pb2 import BadRequest, ErrorStatus
from pairmill_protos.gateway.v1.job_service_pb2 import (
    CancelJobRequest,
    GetJobRequest,
    Job,
    JobState,
    ListJobsRequest,
    ResumeJobRequest,
    SubmitJobRequest,
    WatchJobRequest,
)
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from pairmill_protos.gateway.v1.unit_service_pb2 import GetStandingsRequest, UnitKey
from pairmill_protos.gateway.v1.unit_service_pb2_grpc import UnitServiceStub
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.fakes.processes import wait_until
from tests.fakes.rpc import SECONDS, Served

WAT = "https://data.example/a.warc.wat.gz"


def submit(stub: JobServiceStub, served: Served, key: str = "", **fields: Any) -> Job:
    request = SubmitJobRequest(wats=[WAT], idempotency_key=key, **fields)
    return stub.SubmitJob(request, timeout=SECONDS, metadata=served.metadata("operate")).job


def refusal(call: Callable[..., Any], request: Any, served: Served, name: str = "operate") -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=SECONDS, metadata=served.metadata(name))
    return caught.value


def fields_of(error: Any) -> list[str]:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    violations = BadRequest.FromString(ErrorStatus.FromString(details).details[0].value).field_violations
    return [violation.field for violation in violations]


def test_a_job_is_submitted_once_however_often(stub: JobServiceStub, served: Served) -> None:
    first = submit(stub, served, "k")
    again = stub.SubmitJob(
        SubmitJobRequest(wats=[WAT], idempotency_key="k"),
        timeout=SECONDS,
        metadata=served.metadata("operate"),
    )
    assert (again.job.job_id, again.created) == (first.job_id, False)
    assert first.submitted_by == "operate"
    assert len(served.jobs.submitted()) == 1


def test_everything_wrong_with_a_job_comes_as_fields(stub: JobServiceStub, served: Served) -> None:
    request = SubmitJobRequest(
        wats=["a.wat.gz"], limit=0, profile="best", settings={"image.jpeg_quality": "900"}
    )
    error = refusal(stub.SubmitJob, request, served)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert fields_of(error) == ["wats[0]", "limit", "profile", "settings.image.jpeg_quality"]
    assert served.jobs.asked == 0


def test_what_jobs_refuse_comes_as_fields_too(stub: JobServiceStub, served: Served) -> None:
    served.jobs.trouble = ConfigurationError("bundle: there is no bundle 'x'; choose one of: tiny")
    error = refusal(stub.SubmitJob, SubmitJobRequest(wats=[WAT], bundle="x"), served)
    assert fields_of(error) == ["bundle"]


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (RetriableError("the broker is away"), grpc.StatusCode.UNAVAILABLE),
        (CorruptObjectError("ledger/x"), grpc.StatusCode.DATA_LOSS),
        (ZeroDivisionError("secret"), grpc.StatusCode.INTERNAL),
    ],
)
def test_troubles_have_their_status(
    stub: JobServiceStub, served: Served, trouble: Exception, code: grpc.StatusCode
) -> None:
    served.jobs.trouble = trouble
    error = refusal(stub.GetJob, GetJobRequest(job_id="j1"), served, "read")
    assert error.code() is code
    assert "secret" not in error.details()


def test_a_bug_is_logged_once_with_the_id_that_the_caller_was_told(
    stub: JobServiceStub, served: Served
) -> None:
    served.jobs.trouble = ZeroDivisionError("secret")
    with capture_logs(processors=[merge_contextvars]) as logs:
        error = refusal(stub.GetJob, GetJobRequest(job_id="j1"), served, "read")
        served.jobs.trouble = RetriableError("the broker is away")
        refusal(stub.GetJob, GetJobRequest(job_id="j1"), served, "read")
    [entry] = [log for log in logs if log["log_level"] == "error"]
    assert entry["event"] == "call_failed"
    assert entry["request_id"] == dict(error.initial_metadata())["x-request-id"]
    assert (entry["caller"], entry["method"]) == ("read", "/pairmill.gateway.v1.JobService/GetJob")


def test_a_job_that_is_not_there_is_not_found(stub: JobServiceStub, served: Served) -> None:
    for call, request in (
        (stub.GetJob, GetJobRequest(job_id="j1")),
        (stub.CancelJob, CancelJobRequest(job_id="j1")),
        (stub.ResumeJob, ResumeJobRequest(job_id="j1")),
        (lambda *given, **options: list(stub.WatchJob(*given, **options)), WatchJobRequest(job_id="j1")),
    ):
        assert refusal(call, request, served).code() is grpc.StatusCode.NOT_FOUND


def test_h3_a_job_of_another_tenant_is_not_there(stub: JobServiceStub, served: Served) -> None:
    served.tokens.add("stranger", Role.ADMIN, tenant="elsewhere")
    job = submit(stub, served)
    metadata = served.metadata("stranger")

    def is_known() -> bool:
        try:
            stub.ListJobs(ListJobsRequest(), timeout=SECONDS, metadata=metadata)
        except grpc.RpcError:
            return False
        return True

    wait_until(is_known)  # the file is looked at once a second
    error = refusal(stub.GetJob, GetJobRequest(job_id=job.job_id), served, "stranger")
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert not stub.ListJobs(ListJobsRequest(), timeout=SECONDS, metadata=metadata).jobs


def test_jobs_are_listed_page_by_page_the_newest_first(stub: JobServiceStub, served: Served) -> None:
    jobs = [submit(stub, served, f"k{n}") for n in range(5)]
    served.jobs.enter(jobs[3].job_id, JobState.JOB_STATE_COMPLETE)
    states, token = [JobState.JOB_STATE_ADMITTED], ""
    found: list[Job] = []
    for _ in range(2):
        request = ListJobsRequest(page_size=2, page_token=token, states=states)
        page = stub.ListJobs(request, timeout=SECONDS, metadata=served.metadata("read"))
        found += page.jobs
        token = page.next_page_token
    assert [job.job_id for job in found] == [jobs[n].job_id for n in (4, 2, 1, 0)]
    assert not token
    assert not any(job.HasField("spec") or job.HasField("progress") for job in found)


def test_a_page_token_of_another_list_is_refused(stub: JobServiceStub, served: Served) -> None:
    for n in range(3):
        submit(stub, served, f"k{n}")
    page = stub.ListJobs(ListJobsRequest(page_size=1), timeout=SECONDS, metadata=served.metadata("read"))
    other = ListJobsRequest(
        page_token=page.next_page_token, states=[JobState.JOB_STATE_COMPLETE], page_size=-1
    )
    assert fields_of(refusal(stub.ListJobs, other, served, "read")) == ["page_token", "page_size"][::-1]


def test_a_watch_begins_at_once_follows_changes_and_ends_with_the_job(
    stub: JobServiceStub, served: Served
) -> None:
    job_id = submit(stub, served).job_id
    request = WatchJobRequest(job_id=job_id, interval_seconds=0.2)
    watch = stub.WatchJob(request, timeout=SECONDS, metadata=served.metadata("read"))
    assert next(watch).job.state == JobState.JOB_STATE_ADMITTED
    served.jobs.progress_to(job_id, 50)
    assert next(watch).job.progress.candidates_ended == 50
    served.jobs.enter(job_id, JobState.JOB_STATE_INCOMPLETE, "1 WAT file(s) end early")
    assert [list(answer.job.lacks) for answer in watch] == [["1 WAT file(s) end early"]]
    wait_until(lambda: served.measured("pairmill_rpc_streams_open") == 0.0)


def test_a_watch_with_an_interval_out_of_range_is_refused(stub: JobServiceStub, served: Served) -> None:
    request = WatchJobRequest(job_id="", interval_seconds=0.01)
    error = refusal(lambda *given, **options: list(stub.WatchJob(*given, **options)), request, served)
    assert fields_of(error) == ["job_id", "interval_seconds"]


def test_a_job_in_its_finalisation_is_not_cancelled(stub: JobServiceStub, served: Served) -> None:
    job_id = submit(stub, served).job_id
    served.jobs.enter(job_id, JobState.JOB_STATE_FINALISING)
    error = refusal(stub.CancelJob, CancelJobRequest(job_id=job_id), served)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    served.jobs.enter(job_id, JobState.JOB_STATE_CRAWLING)
    for _ in range(2):
        request = CancelJobRequest(job_id=job_id, reason="wrong crawl")
        answer = stub.CancelJob(request, timeout=SECONDS, metadata=served.metadata("operate"))
        assert answer.job.state == JobState.JOB_STATE_CANCELLED


def test_a_blocked_job_is_resumed(stub: JobServiceStub, served: Served) -> None:
    job_id = submit(stub, served).job_id
    request = ResumeJobRequest(job_id=job_id)
    assert refusal(stub.ResumeJob, request, served).code() is grpc.StatusCode.FAILED_PRECONDITION
    served.jobs.enter(job_id, JobState.JOB_STATE_BLOCKED)
    answer = stub.ResumeJob(request, timeout=SECONDS, metadata=served.metadata("operate"))
    assert answer.job.state == JobState.JOB_STATE_CRAWLING


def test_an_audit_shows_funnel_open_units_orphans_and_dead_letters(
    stub: JobServiceStub, served: Served, channel: grpc.Channel
) -> None:
    job_id, audits = submit(stub, served).job_id, AuditServiceStub(channel)
    served.jobs.open_by_job[job_id] = [
        OpenUnit(unit_id=f"{job_id}/{n}", stage=Stage.STAGE_EMBED, age_seconds=5.0) for n in range(3)
    ]
    served.jobs.orphans_by_job[job_id] = [Orphan(unit_id=f"{job_id}/x", attempt="00000001", offset=7)]
    served.jobs.letters_by_job[job_id] = [DeadLetter(unit_id=f"{job_id}/y", rows=9, error="boom")]
    served.jobs.letters_by_job[""] = [DeadLetter(source="embed-tasks/0/1", error="no task")]
    options: dict[str, Any] = {"timeout": SECONDS, "metadata": served.metadata("read")}
    funnel = audits.GetFunnel(GetFunnelRequest(job_id=job_id), **options)
    assert (funnel.stages[0].rows_in, list(funnel.problems)) == (10, ["download: 2 unit(s) are open"])
    first = audits.ListOpenUnits(ListOpenUnitsRequest(job_id=job_id, page_size=2), **options)
    second = audits.ListOpenUnits(
        ListOpenUnitsRequest(job_id=job_id, page_size=2, page_token=first.next_page_token), **options
    )
    assert [len(first.units), len(second.units), second.next_page_token] == [2, 1, ""]
    other = ListOpenUnitsRequest(job_id=job_id, stage=Stage.STAGE_SCORE)
    assert not audits.ListOpenUnits(other, **options).units
    assert audits.ListOrphans(ListOrphansRequest(job_id=job_id), **options).orphans[0].offset == 7
    assert audits.ListDeadLetters(ListDeadLettersRequest(job_id=job_id), **options).letters[0].rows == 9
    assert _is_denied(audits, served)
    options["metadata"] = served.metadata("admin")
    nameless = audits.ListDeadLetters(ListDeadLettersRequest(), **options).letters
    assert [letter.source for letter in nameless] == ["embed-tasks/0/1"]


def _is_denied(audits: AuditServiceStub, served: Served) -> bool:
    """Whether what names no job, and so no tenant, is kept from all but administrators."""
    code = refusal(audits.ListDeadLetters, ListDeadLettersRequest(), served).code()
    return bool(code is grpc.StatusCode.PERMISSION_DENIED)


def test_dead_letters_are_replayed_once_the_job_has_ended(
    stub: JobServiceStub, served: Served, channel: grpc.Channel
) -> None:
    job_id, audits = submit(stub, served).job_id, AuditServiceStub(channel)
    served.jobs.letters_by_job[job_id] = [DeadLetter(unit_id=f"{job_id}/y", rows=9)]
    request = ReplayDeadLettersRequest(job_id=job_id)
    assert refusal(audits.ReplayDeadLetters, request, served).code() is grpc.StatusCode.FAILED_PRECONDITION
    served.jobs.enter(job_id, JobState.JOB_STATE_INCOMPLETE)
    answer = audits.ReplayDeadLetters(request, timeout=SECONDS, metadata=served.metadata("operate"))
    assert answer.rows == 9


def test_stages_are_told_in_order_what_is_wanted(
    stub: JobServiceStub, served: Served, channel: grpc.Channel
) -> None:
    job_id, units = submit(stub, served).job_id, UnitServiceStub(channel)
    keys = [UnitKey(job_id=job, unit_id="u", input_digest=bytes(16)) for job in (job_id, "j0", job_id)]
    answer = units.GetStandings(
        GetStandingsRequest(units=keys), timeout=SECONDS, metadata=served.metadata("read")
    )
    assert [standing.wanted for standing in answer.standings] == [True, False, True]
    wrong = [UnitKey(job_id="j", unit_id="u", input_digest=b"short"), UnitKey(input_digest=bytes(16))]
    error = refusal(units.GetStandings, GetStandingsRequest(units=wrong), served, "read")
    assert fields_of(error) == ["units[0].input_digest", "units[1]"]
    many = GetStandingsRequest(units=[keys[0]] * 1001)
    assert fields_of(refusal(units.GetStandings, many, served, "read")) == ["units"]


def test_a_request_id_comes_back(stub: JobServiceStub, served: Served) -> None:
    metadata = (*served.metadata("read"), ("x-request-id", "trace-1"))
    _, call = stub.ListJobs.with_call(ListJobsRequest(), timeout=SECONDS, metadata=metadata)
    assert dict(call.initial_metadata())["x-request-id"] == "trace-1"
