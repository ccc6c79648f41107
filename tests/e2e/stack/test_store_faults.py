"""An object store that fails, loses its answers, refuses keys, or returns other bytes (G2, G4, G5, G7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from deploy.local.settings import BUCKET, PREFIX, STAGES
from pairmill_protos.gateway.v1.job_service_pb2 import JobState
from tests.e2e.command import pairmill
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import CANDIDATES
from tests.e2e.stack.faults import FaultTable
from tests.e2e.stack.oracles import assert_same_dataset, assert_same_samples
from tests.e2e.stack.rig import Rig
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.fault_rules import Rule

_ALL: Final = ("gateway", *STAGES)
_REFUSED_SECONDS: Final = 10.0
pytestmark = pytest.mark.faults


@pytest.fixture
def proxy(rig: Rig) -> Iterator[FaultProxy]:
    """Stands between every service and the store."""
    with FaultProxy(rig.stack.s3.address) as between:
        rig.start_anew(*_ALL, PAIRMILL_S3__ENDPOINT=between.endpoint)
        yield between
        rig.start_anew(*_ALL, PAIRMILL_S3__ENDPOINT=rig.stack.s3.endpoint)


@pytest.mark.parametrize(
    ("rules", "injected"),
    [
        pytest.param(
            [
                Rule(do="status", status=503, every=7, times=40),
                Rule(do="status", status=500, code="InternalError", every=11, times=40),
            ],
            "answers 503 SlowDown and 500 between others",
            id="g2-errors",
        ),
        pytest.param(
            [Rule(do="lose", method="PUT", every=4, times=40)],
            "writes whose acknowledgement is lost",
            id="g2-lost",
        ),
        pytest.param(
            [
                Rule(do="slow", every=2, times=None, bytes_per_second=200_000),
                Rule(do="cut", method="GET", every=9),
            ],
            "half of all transfers slow, and bodies cut",
            id="g2-slow",
            marks=pytest.mark.long,
        ),
        pytest.param(
            [Rule(do="flip", method="GET", path=r"\.tar", at_byte=700, every=3, times=5)],
            "bits that turn over on the way",
            id="g4-way",
        ),
    ],
)
def test_a_store_in_trouble_changes_nothing(
    rules: Sequence[Rule],
    injected: str,
    rig: Rig,
    proxy: FaultProxy,
    undisturbed: Undisturbed,
    fault_table: FaultTable,
    request: pytest.FixtureRequest,
) -> None:
    for rule in rules:
        proxy.add(rule)
    name = request.node.callspec.id
    job = rig.run(name)
    assert proxy.count(lambda seen: bool(seen.fault)) > 3
    assert_same_dataset(rig, undisturbed.out, job.job_id)
    fault_table.add(
        name[:2].upper(), injected=f"S3: {injected}", seen="tried again, none was blamed on a unit"
    )


def test_g5_keys_that_are_refused_for_a_while(
    rig: Rig, proxy: FaultProxy, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    job = rig.submit("keys-refused")
    rig.wait_for_candidates(job, CANDIDATES // 8)
    proxy.add(Rule(do="refuse", code="ExpiredToken", times=None))
    rig.rest(_REFUSED_SECONDS)
    proxy.rules.replace([])
    rig.wait_end(job)
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "G5",
        injected=f"S3: all keys refused as expired for {_REFUSED_SECONDS:g} s",
        seen="the file of keys was read again until they were good",
    )


def test_g7_nothing_is_listed_before_a_job_has_ended(
    rig: Rig, proxy: FaultProxy, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """A listing may be old or huge: whoever would wait for one waits for ever here."""
    proxy.add(Rule(do="delay", method="GET", path=r"list-type=|[?&]prefix=", times=None, seconds=600.0))
    job = rig.run("no-listing")
    proxy.rules.replace([])
    assert_same_dataset(rig, undisturbed.out, job.job_id)
    fault_table.add("G7", injected="S3: listings without an answer", seen="nothing waited for one")


def test_g4_a_stored_shard_with_a_flipped_bit_is_given_up_and_replayed(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """What was damaged is no part of the dataset until it was fetched again."""
    inference = rig.services("inference")
    with rig.held(*inference):
        for process in inference:
            process.stop()
        job = rig.submit("bit-flipped")
        rig.wait_for(job, lambda found: found.progress.candidates_ended >= CANDIDATES // 4)
        shard = _first_shard(rig, job)
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    ended = rig.wait_end(job)
    assert ended.state == JobState.JOB_STATE_INCOMPLETE
    assert any("embed unit(s) failed" in reason for reason in ended.lacks), ended.lacks
    audit = pairmill("audit", rig.dataset(job), "--json", env=rig.env)
    findings = audit.json()["findings"]
    assert [finding["path"] for finding in findings] == [f"shards/{shard.name}"], findings
    repair = rig.replay(job)
    rig.wait_end(repair)
    assert_same_samples(rig, undisturbed.out, job)
    fault_table.add(
        "G4",
        injected="a bit of a stored shard flipped",
        seen="the unit became a dead letter, the audit named the file; a replay mended both",
        dataset="the same samples; the funnel is the replay's own",
    )


def _first_shard(rig: Rig, job: str) -> Path:
    folder = rig.stack.layout.data / "s3" / "buckets" / BUCKET / PREFIX / job / "shards"
    return min(folder.rglob("*.tar"))
