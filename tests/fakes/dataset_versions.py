"""Versions on top of a base: a refilter with other thresholds, a repair of what failed (U16)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from pairmill.dataset import roles
from pairmill.dataset.final import inherited_files
from pairmill.dataset.manifest import FileEntry, Manifest
from pairmill.dataset.reader import Dataset
from pairmill.units import input_digest
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import (
    DownloadInput,
    FollowUps,
    ObjectRef,
    Stage,
    UnitInput,
    UnitTask,
)
from tests.fakes.dataset import Builder
from tests.fakes.dataset_options import Options
from tests.fakes.dataset_world import Candidate


def build_refilter(folder: Path, base: Options, change: Callable[[JobSpec], None]) -> Manifest:
    """Writes a base into a folder, and over it a version with changed rules."""
    first = Builder(folder, base)
    first.run()
    spec = _on_top_of(folder, first, "refilter")
    change(spec)
    second = _builder(folder, spec, base)
    second.start_from(first)
    return second.run()


def build_repair(folder: Path, base: Options, again: Sequence[Candidate]) -> Manifest:
    """Writes a base into a folder, and over it a version in which some candidates ran again."""
    first = Builder(folder, base)
    first.run()
    spec = _on_top_of(folder, first, "retry_failed")
    unit_input = UnitInput(download=DownloadInput(rows=ObjectRef(key="steps/again")))
    task = UnitTask(
        stage=Stage.STAGE_DOWNLOAD,
        unit_id="w0000/d00000",
        input_digest=input_digest(unit_input),
        input=unit_input,
        rows=len(again),
    )
    data = FollowUps(inline=[task]).SerializeToString(deterministic=True)
    spec.base.rows.CopyFrom(_put(folder, "ledger/lists/again.binpb", data))
    second = _builder(folder, spec, base)
    second.start_from(first)
    second.hold("w0000/d00000", list(again))
    return second.run()


def _builder(folder: Path, spec: JobSpec, base: Options) -> Builder:
    is_repair = spec.base.HasField("rows")
    files = list(inherited_files(Dataset.open(folder), is_repair=is_repair))
    if is_repair:
        files.append(FileEntry.of(spec.base.rows))
    return Builder(folder, Options(world=base.world, attempt_seed=77, spec=spec, inherited=files))


def _on_top_of(folder: Path, base: Builder, kind: str) -> JobSpec:
    dataset = Dataset.open(folder)
    spec = JobSpec()
    spec.CopyFrom(base.spec)
    spec.ClearField("job_id")
    spec.ClearField("wat_list")
    spec.wat_count = 0
    spec.base.job_id = base.spec.job_id
    spec.base.kind = kind
    spec.base.manifest_sha256 = hashlib.sha256((folder / "dataset.json").read_bytes()).hexdigest()
    spec.base.partitions = 1 if kind == "refilter" else 0
    for entry in dataset.files(roles.SAMPLES):
        ref = ObjectRef(key=entry.path, bytes=entry.bytes, rows=entry.rows, role=entry.role, partition=0)
        ref.sha256 = bytes.fromhex(entry.sha256)
        spec.base.scored.inline.append(ref)
    return spec


def _put(folder: Path, key: str, data: bytes) -> ObjectRef:
    (folder / key).write_bytes(data)
    return ObjectRef(key=key, bytes=len(data), sha256=hashlib.sha256(data).digest(), role=roles.LIST)
