"""Triton, the object store and Prometheus away, slow or at fault (A5, A18, F1 to F3, G2, H12)."""

from __future__ import annotations

import re
from typing import Final

import pytest

from pairmill_protos.gateway.v1.job_service_pb2 import JobState
from tests.e2e.conftest import Undisturbed
from tests.e2e.stack.faults import FaultTable
from tests.e2e.stack.oracles import assert_same_dataset, assert_undisturbed
from tests.e2e.stack.rig import Rig

_AWAY_SECONDS: Final = 15.0
pytestmark = pytest.mark.faults


def test_f1_tritonserver_killed_in_mid_run(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    def disturb() -> None:
        rig.stack.triton.kill()
        rig.rest(_AWAY_SECONDS)
        assert not rig.services("inference")[0].is_ready()
        rig.stack.triton.start()

    assert_undisturbed(rig, undisturbed.out, "triton-killed", disturb)
    fault_table.add(
        "F1",
        injected=f"SIGKILL of tritonserver, back after {_AWAY_SECONDS:g} s",
        seen="inference paused, not ready, no dead letter",
    )


def test_f2_a5_a18_tritonserver_that_stands_still(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """For longer than a member may be silent: units wait, their stage polls on and keeps its partitions."""
    inference = rig.services("inference")[0]

    def disturb() -> None:
        assigned = inference.log().count("partitions_assigned")
        rig.stack.triton.pause()
        rig.rest(_AWAY_SECONDS)
        rig.stack.triton.resume()
        assert inference.log().count("partitions_assigned") == assigned

    assert_undisturbed(rig, undisturbed.out, "triton-paused", disturb)
    fault_table.add(
        "A5,A18,F2",
        injected=f"SIGSTOP of tritonserver for {_AWAY_SECONDS:g} s",
        seen="calls ran into their deadline and were made again; the stages before went on",
    )


def test_f3_tritonserver_that_takes_one_request_at_a_time(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    configs = {path: path.read_text() for path in (rig.stack.layout.data / "models").rglob("config.pbtxt")}
    for path, text in configs.items():
        path.write_text(re.sub(r"max_queue_size: \d+", "max_queue_size: 1", text))
        assert path.read_text() != text
    rig.stack.triton.restart()
    second = rig.add("inference")
    job = rig.run("queue-of-one")
    rig.remove(second)
    for path, text in configs.items():
        path.write_text(text)
    rig.stack.triton.restart()
    assert_same_dataset(rig, undisturbed.out, job.job_id)
    fault_table.add(
        "F3", injected="a queue of one request, and two clients", seen="refused requests were made again"
    )


def test_object_store_killed_in_mid_run(rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable) -> None:
    def disturb() -> None:
        rig.stack.s3.kill()
        rig.rest(_AWAY_SECONDS)
        rig.stack.s3.start()

    assert_undisturbed(rig, undisturbed.out, "store-killed", disturb)
    fault_table.add(
        "G2",
        injected=f"SIGKILL of the S3 server, back after {_AWAY_SECONDS:g} s",
        seen="services waited and went on",
    )


def test_h12_prometheus_away(rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable) -> None:
    rig.stack.prometheus.kill()
    job = rig.run("prometheus-away")
    assert job.state == JobState.JOB_STATE_INCOMPLETE  # one WAT of the world ends early
    assert rig.restarts == 0
    assert_same_dataset(rig, undisturbed.out, job.job_id)
    fault_table.add("H12", injected="Prometheus killed before the job", seen="nothing")
