"""Health, and how the server ends: nothing that was begun is cut off, nothing new is lured in."""

from __future__ import annotations

import signal
import threading
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from pairmill.rpc.methods import services_of
from pairmill_gateway.rpc.methods import METHODS
from pairmill_protos.gateway.v1.job_service_pb2 import GetJobRequest, SubmitJobRequest, WatchJobRequest
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from tests.fakes.processes import Child, wait_until
from tests.fakes.rpc import SECONDS, Served, TokenFile, job_stub, serving

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


def status_of(channel: grpc.Channel, service: str = "") -> int:
    health: Any = HealthStub(channel)
    return int(health.Check(HealthCheckRequest(service=service), timeout=SECONDS).status)


def test_health_is_known_by_service_and_needs_no_token(channel: grpc.Channel) -> None:
    assert {service: status_of(channel, service) for service in ("", *services_of(METHODS))} == dict.fromkeys(
        ("", *services_of(METHODS)), SERVING
    )
    with pytest.raises(grpc.RpcError) as caught:
        status_of(channel, "pairmill.gateway.v1.Other")
    refusal: Any = caught.value
    assert refusal.code() is grpc.StatusCode.NOT_FOUND


def test_a_gateway_that_reads_the_ledger_does_not_serve_yet(served: Served, channel: grpc.Channel) -> None:
    health: Any = HealthStub(channel)
    watch = health.Watch(HealthCheckRequest(), timeout=SECONDS, metadata=served.metadata("read"))
    assert next(watch).status == SERVING
    served.problems.append("reads the ledger")
    assert next(watch).status == NOT_SERVING
    assert status_of(channel) == NOT_SERVING
    served.problems.clear()
    assert next(watch).status == SERVING


def test_at_the_end_health_says_so_while_calls_are_still_taken(
    served: Served, stub: JobServiceStub, channel: grpc.Channel
) -> None:
    served.server.drain()
    assert status_of(channel) == NOT_SERVING
    request = SubmitJobRequest(wats=["/a.wat.gz"])
    assert stub.SubmitJob(request, timeout=SECONDS, metadata=served.metadata("operate")).created


def test_streams_end_at_once_and_say_why(tokens: TokenFile) -> None:
    with serving(tokens, linger_seconds=1.0) as served, job_stub(served.target) as stub:
        request = SubmitJobRequest(wats=["/a.wat.gz"])
        job_id = stub.SubmitJob(request, timeout=SECONDS, metadata=served.metadata("operate")).job.job_id
        watch = stub.WatchJob(
            WatchJobRequest(job_id=job_id, interval_seconds=60.0),
            timeout=SECONDS,
            metadata=served.metadata("read"),
        )
        next(watch)
        served.server.drain()
        with pytest.raises(grpc.RpcError) as caught:
            next(watch)
    refusal: Any = caught.value
    assert (refusal.code(), "stops" in refusal.details()) == (grpc.StatusCode.UNAVAILABLE, True)


def test_a_call_at_work_is_answered_and_the_next_goes_elsewhere(tokens: TokenFile) -> None:
    release = threading.Event()
    with serving(tokens, drain_seconds=SECONDS) as served, job_stub(served.target) as stub:
        request = SubmitJobRequest(wats=["/a.wat.gz"])
        options: dict[str, Any] = {"timeout": SECONDS, "metadata": served.metadata("operate")}
        job_id = stub.SubmitJob(request, **options).job.job_id
        served.jobs.before_answer = lambda: wait_until(release.is_set)
        call = stub.GetJob.future(GetJobRequest(job_id=job_id), **options)
        wait_until(lambda: served.jobs.asked == 2)
        ending = threading.Thread(target=served.server.__exit__, args=(None, None, None))
        ending.start()
        with job_stub(served.target) as other:
            wait_until(lambda: _is_refused(other, options))
        release.set()
        assert call.result().job.job_id == job_id
        ending.join(SECONDS)
        assert not ending.is_alive()


def _is_refused(stub: JobServiceStub, options: dict[str, Any]) -> bool:
    try:
        stub.GetJob(GetJobRequest(job_id="j1"), **{**options, "timeout": 0.5})
    except grpc.RpcError as error:
        refusal: Any = error
        return bool(refusal.code() is grpc.StatusCode.UNAVAILABLE)
    return False


def served_at(child: Child) -> str:
    """Returns the address that a process serves at, once it does."""
    wait_until(lambda: any(line.startswith("serves ") for line in child.lines))
    return next(line for line in child.lines if line.startswith("serves ")).removeprefix("serves ")


def test_sigterm_drains(tokens: TokenFile) -> None:
    """A watch and a call are under way; health turns first, the process ends by itself with 0."""
    with Child("tests.fakes.rpc", "0", tokens.path, "1.0") as child:
        target = served_at(child)
        with grpc.insecure_channel(target) as channel:
            assert status_of(channel) == SERVING
            metadata = (("authorization", f"Bearer {tokens.tokens['operate']}"),)
            stub = JobServiceStub(channel)
            request = SubmitJobRequest(wats=["/a.wat.gz"])
            job_id = stub.SubmitJob(request, timeout=SECONDS, metadata=metadata).job.job_id
            watch = stub.WatchJob(WatchJobRequest(job_id=job_id), timeout=SECONDS, metadata=metadata)
            next(watch)
            child.signal(signal.SIGTERM)
            wait_until(lambda: status_of(channel) == NOT_SERVING)
            with pytest.raises(grpc.RpcError) as caught:
                list(watch)
        refusal: Any = caught.value
        assert refusal.code() is grpc.StatusCode.UNAVAILABLE
        assert child.wait(SECONDS) == 0
        assert "drained" in child.lines
