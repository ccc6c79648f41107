"""Dead letters run again in a cluster: the repair ends with a version that replaces them (U16)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pairmill.dataset import roles
from pairmill.dataset.audit import audit
from pairmill.dataset.diff import diff
from pairmill.dataset.reader import Dataset
from pairmill.dataset.versions import version_key
from pairmill.stage.messages import failed_message
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, Stage, UnitTask
from tests.fakes.cluster import CALLER, WORLD, Cluster, Gateway
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options, small_spec
from tests.fakes.dataset_world import Candidate

OPTIONS = Options(world=WORLD, spec=small_spec(3))
HOLDING_A_SHARD = (Stage.STAGE_EMBED, Stage.STAGE_SCORE)


@dataclass
class Repaired:
    """A base in which a unit was given up, and the repair of it."""

    out: Path
    base: str
    repair: str
    again: list[Candidate]
    shard: str  # that the unit worked on; empty for a download unit
    state: str

    @property
    def files(self) -> set[str]:
        """What the new version lists."""
        return {entry.path for entry in Dataset.open(self.out).files()}


def repaired(cluster: Cluster, stage: Stage.ValueType, *, damaged: bool = False) -> Repaired:
    """Gives a unit of a stage up, lets the base end, and a replay of it."""
    base, gateway = cluster.admit(options=OPTIONS), cluster.gateway()
    dead = give_up_one(cluster, gateway, base, stage)
    shard = (dead.input.embed if stage == Stage.STAGE_EMBED else dead.input.score).shard.key
    if damaged:
        flip_a_bit(cluster.out / base / shard)
    cluster.drive(gateway)
    repair = gateway.audits.replay(base, False, CALLER).job_id
    again = cluster.work_on_repair(repair, base, OPTIONS, gateway)
    cluster.drive(gateway)
    ended = gateway.ended(repair)
    assert ended is not None
    return Repaired(cluster.out / base, base, repair, again, shard, ended.state)


def give_up_one(cluster: Cluster, gateway: Gateway, job_id: str, stage: Stage.ValueType) -> UnitTask:
    """Lets one unit of a stage fail three times; its task is not carried out by the stages."""
    stages = cluster.stages[job_id]
    stages.idle_stages = {stage}
    cluster.drive(gateway, until=lambda: bool(open_units(gateway, job_id, stage)))
    for _ in range(4):
        cluster.turn(gateway)
    dead = open_units(gateway, job_id, stage)[0]
    for attempt in ("00000001", "00000002", "00000003"):
        cluster.bus.publish([failed_message(cluster.bus, dead, attempt, ValueError("no"))])
    cluster.turn(gateway)
    stages.done[dead.unit_id] = LedgerRecord()
    stages.idle_stages = set()
    return dead


def open_units(gateway: Gateway, job_id: str, stage: Stage.ValueType) -> list[UnitTask]:
    job = gateway.running.get(job_id)
    if job is None or not job.has_caught_up:
        return []
    with job.held() as follower:
        return [task for task in follower.walk.open_units() if task.stage == stage]


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


@pytest.mark.parametrize("stage", [Stage.STAGE_DOWNLOAD, *HOLDING_A_SHARD], ids=Stage.Name)
def test_u16_a_replay_ends_with_a_version_in_which_nothing_was_given_up(
    cluster: Cluster, stage: Stage.ValueType
) -> None:
    found = repaired(cluster, stage)
    assert found.state == "complete"
    assert found.again
    assert Dataset.open(found.out).manifest.job_id == found.repair
    assert audit(found.out).findings == ()
    build_dataset(cluster.folder / "plain", Options(world=WORLD, attempt_seed=9, spec=small_spec(3)))
    compared = diff(found.out, cluster.folder / "plain")
    assert not compared.columns
    assert (compared.only_in_a, compared.only_in_b) == (0, 0)
    assert audit(found.out, name=version_key(found.base)).findings == (), "the base stays what it was"


@pytest.mark.parametrize("stage", HOLDING_A_SHARD, ids=Stage.Name)
def test_u16_a_shard_that_was_replaced_to_the_last_row_is_no_part_of_the_new_version(
    cluster: Cluster, stage: Stage.ValueType
) -> None:
    found = repaired(cluster, stage)
    base = Dataset.open(found.out, version_key(found.base))
    left_out = {entry.path for entry in base.files()} - found.files
    shards = {entry.path for entry in base.files(roles.SHARD) if entry.path in left_out}
    assert shards == {found.shard}
    assert (found.out / found.shard).is_file(), "of the base it still is"
    vectors = [entry.path for entry in base.files(roles.IMAGE_EMBEDDINGS) if entry.path in left_out]
    assert len(vectors) == (stage == Stage.STAGE_SCORE)
    indexes = {entry.path: entry.rows for entry in base.files(roles.SHARD_INDEX)}
    index = found.shard.removesuffix(".tar") + ".parquet"
    assert (index in left_out) == (indexes[index] == len(found.again)), "rows of other ends stay"


def test_g4_a_shard_with_a_flipped_bit_is_found_in_the_base_and_gone_with_its_repair(
    cluster: Cluster,
) -> None:
    found = repaired(cluster, Stage.STAGE_EMBED, damaged=True)
    before = audit(found.out, name=version_key(found.base)).findings
    assert {finding.path for finding in before} == {found.shard}
    assert audit(found.out).findings == ()
