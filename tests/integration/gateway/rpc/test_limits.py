"""Callers that take too much, or never finish, do not keep others waiting."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from pairmill.rpc.callers import Role
from pairmill.rpc.guard import PROBE_SECONDS
from pairmill_protos.gateway.v1.job_service_pb2 import (
    GetJobRequest,
    Job,
    ListJobsRequest,
    SubmitJobRequest,
    WatchJobRequest,
)
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from tests.fakes.jobs import FakeJobs
from tests.fakes.processes import wait_until
from tests.fakes.rpc import SECONDS, Served, TokenFile, job_stub, serving

GET_JOB = "/pairmill.gateway.v1.JobService/GetJob"
WATCH_JOB = "/pairmill.gateway.v1.JobService/WatchJob"


def submitted(served: Served, stub: JobServiceStub) -> str:
    request = SubmitJobRequest(wats=["/a.wat.gz"])
    return stub.SubmitJob(request, timeout=SECONDS, metadata=served.metadata("operate")).job.job_id


def watch(served: Served, stub: JobServiceStub, job_id: str, name: str, seconds: float = SECONDS) -> Any:
    request = WatchJobRequest(job_id=job_id, interval_seconds=0.2)
    return stub.WatchJob(request, timeout=seconds, metadata=served.metadata(name))


def swell(jobs: FakeJobs, job_id: str) -> None:
    """Gives each look at a job another message, larger than any window: the second cannot be got rid of."""
    said = iter(range(10**6))

    def grow(job: Job) -> None:
        job.lacks[:] = [f"{next(said)} {'x' * 2**20}"]

    jobs.before_answer = lambda: jobs.change(job_id, grow)


def code_of(call: Any) -> grpc.StatusCode:
    return _code_raised(lambda: next(call))


def code_at_end(stream: Any) -> grpc.StatusCode:
    """Returns how a stream ends, after what had come before that."""
    return _code_raised(lambda: deque(stream, maxlen=0))


def _code_raised(call: Callable[[], object]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    refusal: Any = caught.value
    code: grpc.StatusCode = refusal.code()
    return code


def test_h4_a_caller_with_many_streams_leaves_places_to_others(tokens: TokenFile) -> None:
    with serving(tokens, max_streams=5, max_streams_per_caller=3) as served, job_stub(served.target) as stub:
        job_id = submitted(served, stub)
        greedy = [watch(served, stub, job_id, "read") for _ in range(3)]
        for stream in greedy:
            next(stream)
        assert code_of(watch(served, stub, job_id, "read")) is grpc.StatusCode.RESOURCE_EXHAUSTED
        others = [watch(served, stub, job_id, "admin") for _ in range(2)]
        for stream in others:
            next(stream)
        assert code_of(watch(served, stub, job_id, "operate")) is grpc.StatusCode.RESOURCE_EXHAUSTED
        answer = stub.ListJobs(ListJobsRequest(), timeout=SECONDS, metadata=served.metadata("read"))
        assert len(answer.jobs) == 1
        for stream in (*greedy, *others):
            stream.cancel()
        wait_until(lambda: served.measured("pairmill_rpc_streams_open") == 0.0)
        next(watch(served, stub, job_id, "read"))


def test_h4_ten_thousand_streams_at_once_leave_the_others_served(tokens: TokenFile) -> None:
    tokens.add("flood", Role.READ)
    with (
        serving(tokens, max_streams=20, max_streams_per_caller=10) as served,
        job_stub(served.target) as stub,
    ):
        job_id = submitted(served, stub)
        with job_stub(served.target) as flooding:
            streams = [watch(served, flooding, job_id, "flood", 60.0) for _ in range(10_000)]
            for _ in range(20):
                answer = stub.ListJobs(ListJobsRequest(), timeout=SECONDS, metadata=served.metadata("read"))
                assert len(answer.jobs) == 1
            next(watch(served, stub, job_id, "read"))
            for stream in streams:
                stream.cancel()
        wait_until(lambda: (served.measured("pairmill_rpc_streams_open") or 0.0) <= 1.0)


def test_h4_a_caller_whose_calls_hang_leaves_threads_to_others(tokens: TokenFile) -> None:
    hanging, release = threading.Semaphore(3), threading.Event()

    def hang() -> None:
        if hanging.acquire(blocking=False):
            release.wait(SECONDS)

    with serving(tokens, threads=4, max_calls_per_caller=3) as served, job_stub(served.target) as stub:
        served.jobs.before_answer = hang
        request, metadata = GetJobRequest(job_id="j1"), served.metadata("read")
        calls: list[Any] = [stub.GetJob.future(request, timeout=SECONDS, metadata=metadata) for _ in range(3)]
        wait_until(lambda: served.jobs.asked == 3)
        with pytest.raises(grpc.RpcError) as caught:
            stub.ListJobs(ListJobsRequest(), timeout=SECONDS, metadata=metadata)
        refusal: Any = caught.value
        assert refusal.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        others = served.metadata("operate")
        assert not stub.ListJobs(ListJobsRequest(), timeout=SECONDS, metadata=others).jobs
        release.set()
        assert [call.exception().code() for call in calls] == [grpc.StatusCode.NOT_FOUND] * 3
        assert not stub.ListJobs(ListJobsRequest(), timeout=SECONDS, metadata=metadata).jobs


def test_h4_health_checks_that_never_ask_are_cut_off_and_take_nobodys_thread(tokens: TokenFile) -> None:
    """They need no token and no deadline, so anyone could open as many as there are threads."""
    with serving(tokens, threads=1, max_streams=1) as served, grpc.insecure_channel(served.target) as channel:
        mute: Any = channel.stream_unary("/grpc.health.v1.Health/Check")
        release = _Never()
        calls = [mute.future(release) for _ in range(30)]
        stub = JobServiceStub(channel)
        wait_until(lambda: _lists(stub, served))
        codes = {call.exception(timeout=SECONDS + PROBE_SECONDS).code() for call in calls}
        assert codes == {grpc.StatusCode.CANCELLED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        release.stop = True
        health: Any = HealthStub(channel)
        assert health.Check(HealthCheckRequest(), timeout=SECONDS).status == HealthCheckResponse.SERVING


def test_h4_who_sends_no_request_holds_no_thread_beyond_the_deadline(tokens: TokenFile) -> None:
    """A hundred calls that never say what they want, on a server of two threads."""
    with serving(tokens, threads=2, max_streams=1) as served, grpc.insecure_channel(served.target) as channel:
        mute: Any = channel.stream_unary(GET_JOB)
        release = _Never()
        calls = [mute.future(release, timeout=0.5, metadata=served.metadata("read")) for _ in range(100)]
        codes = {call.exception(timeout=SECONDS).code() for call in calls}
        assert codes <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        stub = JobServiceStub(channel)
        wait_until(lambda: _lists(stub, served))
        release.stop = True


def test_h3_who_has_no_token_is_told_before_anything_was_sent(served: Served, channel: grpc.Channel) -> None:
    mute: Any = channel.stream_unary(GET_JOB)
    release = _Never()
    call = mute.future(release, timeout=SECONDS)
    assert call.exception(timeout=SECONDS).code() is grpc.StatusCode.UNAUTHENTICATED
    release.stop = True


def test_h4_a_reader_that_stops_reading_holds_its_own_place_only(tokens: TokenFile) -> None:
    with (
        serving(tokens, max_streams=2, max_streams_per_caller=1) as served,
        job_stub(served.target) as slow,
        job_stub(served.target) as stub,
    ):
        job_id = submitted(served, stub)
        swell(served.jobs, job_id)
        stalled = watch(served, slow, job_id, "read")
        next(stalled)
        for _ in range(10):
            request = GetJobRequest(job_id=job_id)
            assert (
                stub.GetJob(request, timeout=SECONDS, metadata=served.metadata("operate")).job.job_id
                == job_id
            )
        other = watch(served, stub, job_id, "operate")
        assert [next(other).job.job_id for _ in range(3)] == [job_id] * 3
        assert code_of(watch(served, stub, job_id, "read")) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_h4_a_reader_that_stops_reading_does_not_hold_up_the_end(tokens: TokenFile) -> None:
    jobs = FakeJobs()
    with serving(tokens, jobs, drain_seconds=0.5) as served, job_stub(served.target) as stub:
        job_id = submitted(served, stub)
        swell(jobs, job_id)
        stalled = watch(served, stub, job_id, "read")
        wait_until(lambda: served.measured("pairmill_rpc_streams_open") == 1.0)
        ending = threading.Thread(target=served.server.__exit__, args=(None, None, None))
        ending.start()
        ending.join(SECONDS)
        assert not ending.is_alive()
        wait_until(lambda: served.measured("pairmill_rpc_streams_open") == 0.0)
        assert code_at_end(stalled) in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


def test_h4_a_stream_ends_at_its_deadline(tokens: TokenFile) -> None:
    with serving(tokens) as served, job_stub(served.target) as stub:
        stream = watch(served, stub, submitted(served, stub), "read", 0.5)
        next(stream)
        assert code_of(stream) is grpc.StatusCode.DEADLINE_EXCEEDED
        wait_until(lambda: served.measured("pairmill_rpc_streams_open") == 0.0)
        labels = {"method": WATCH_JOB, "code": "CANCELLED"}
        wait_until(lambda: served.measured("pairmill_rpc_requests_total", **labels) == 1.0)


class _Never:
    """A stream of requests in which there is none."""

    def __init__(self) -> None:
        self.stop = False

    def __iter__(self) -> _Never:
        return self

    def __next__(self) -> bytes:
        wait_until(lambda: self.stop)
        raise StopIteration


def _lists(stub: JobServiceStub, served: Served) -> bool:
    try:
        stub.ListJobs(ListJobsRequest(), timeout=SECONDS, metadata=served.metadata("read"))
    except grpc.RpcError:
        return False
    return True
