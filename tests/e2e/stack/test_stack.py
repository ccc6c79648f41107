"""The stack makes the dataset that one machine makes, byte for byte where that is promised (U0, U12)."""

from __future__ import annotations

from pairmill_protos.gateway.v1.job_service_pb2 import JobState
from tests.e2e.conftest import Undisturbed
from tests.e2e.stack.oracles import assert_same_dataset
from tests.e2e.stack.rig import Rig


def test_the_stack_makes_the_dataset_of_one_machine(rig: Rig, undisturbed: Undisturbed) -> None:
    job = rig.run("undisturbed")
    assert job.state == JobState.JOB_STATE_INCOMPLETE  # one WAT of the world ends early
    assert rig.restarts == 0
    assert_same_dataset(rig, undisturbed.out, job.job_id)
    assert rig.served.web.journal.violations() == []
