"""How a synthetic dataset comes about, and how its manifest is saved."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pairmill.dataset.manifest import FileEntry, Manifest
from pairmill.dataset.manifest_files import MAX_INLINE_FILES, split_manifest
from pairmill.jobspec.profiles import profile
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.fakes import dataset_files as files
from tests.fakes.dataset_world import Candidate, make_world


def small_spec(wats: int = 3) -> JobSpec:
    """Returns a job with small units, thresholds and all choices."""
    spec = profile("default")
    spec.wave_size = 2
    spec.wat_count = wats
    spec.plan.ranges = 2
    spec.plan.unit_rows = 16
    spec.bundle.name = "tiny"
    spec.bundle.digest = "ab" * 32
    spec.bundle.dimensions = files.DIMENSIONS
    spec.score.min_similarity["*"] = 0.2
    spec.score.max_unsafe_score = 0.5
    spec.finalise.train_shard_samples = 7
    return spec


@dataclass(kw_only=True)
class Options:
    """How a dataset comes about."""

    world: Sequence[Candidate] = field(default_factory=make_world)
    attempt_seed: int = 1  # other attempts, other names
    spec: JobSpec = field(default_factory=small_spec)
    dead_stage: Stage.ValueType | None = None  # the first unit of this stage fails three times
    cancel_after: int | None = None  # records, then the job is cancelled
    shuffled: bool = False  # units are carried out in another order
    max_inline_files: int = MAX_INLINE_FILES
    inherited: list[FileEntry] = field(default_factory=list)  # files of a base version


def file_entry(folder: Path, path: str, role: str, rows: int) -> FileEntry:
    """Returns the entry of a file as it lies in the folder."""
    data = (folder / path).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return FileEntry(path=path, role=role, rows=rows, bytes=len(data), sha256=digest)


def save_manifest(folder: Path, manifest: Manifest, limit: int = MAX_INLINE_FILES) -> None:
    """Writes a manifest and its parts into a folder."""
    short, parts = split_manifest(manifest, limit)
    for path, data in {**parts, "dataset.json": short.to_json()}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
