"""What units of a whole run counted are label values that stood at zero from the start."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pairmill.dataset.reader import Dataset
from pairmill.telemetry.endings import possible_endings
from pairmill.telemetry.metrics import StageMetrics
from pairmill_protos.unit.v1.unit_pb2 import UnitDone
from tests.e2e.conftest import Undisturbed


def test_a_run_counts_nothing_that_did_not_stand_at_zero(undisturbed: Undisturbed) -> None:
    done = [row.record.done for row in Dataset.open(undisturbed.out).ledger() if row.record.HasField("done")]
    assert len({record.stage for record in done}) == 6
    for record in done:
        endings = {(count.outcome, count.reason) for count in record.counts}
        assert endings <= possible_endings(record.stage), record.unit_id
        assert _roles(record, counted=True) == _roles(record, counted=False), record.unit_id


def _roles(record: UnitDone, *, counted: bool) -> set[str]:
    registry = CollectorRegistry()
    metrics = StageMetrics(registry, stage=record.stage)
    if counted:
        metrics.stored(record.outputs.inline)
    return {
        sample.labels["role"]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "pairmill_stored_bytes_total"
    }
