"""The jobs that made a dataset: one, or a chain of repairs and refilters on a base (U16)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from pairmill.dataset import roles
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import Dataset, job_of
from pairmill.dataset.source import UNREADABLE, DatasetFiles
from pairmill.errors import CorruptObjectError
from pairmill.ledger.root import Load
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The jobs in their order, the base first and the job of the manifest last."""

    jobs: tuple[str, ...]
    specs: Mapping[str, tuple[JobSpec, ObjectRef]]
    ledgers: Mapping[str, FileEntry]

    def rank(self, entry: FileEntry) -> int:
        """Returns the place of the job that wrote a file; later jobs replace rows of earlier ones."""
        job = job_of(entry)
        return self.jobs.index(job) if job in self.jobs else 0


def lineage_of(dataset: Dataset) -> Lineage:
    """Returns the jobs of a dataset from the specs that its manifest lists.

    A job whose spec cannot be had ends the chain. Raises nothing: what is missing is left out.
    """
    specs: dict[str, tuple[JobSpec, ObjectRef]] = {}
    for entry in dataset.files(roles.SPEC):
        try:
            spec = JobSpec.FromString(dataset.source.read(entry.path))
        except (*UNREADABLE, DecodeError):
            continue
        specs[spec.job_id] = (spec, reference(entry))
    jobs = [dataset.manifest.job_id]
    while jobs[0] in specs and (base := specs[jobs[0]][0].base.job_id) and base not in jobs:
        jobs.insert(0, base)
    ledgers = {job_of(entry): entry for entry in dataset.files(roles.LEDGER)}
    return Lineage(jobs=tuple(jobs), specs=specs, ledgers=ledgers)


def verified_load(source: DatasetFiles) -> Load:
    """Returns a function that reads objects that records refer to, verified by their digest."""

    def load(ref: ObjectRef) -> bytes:
        data = source.read(ref.key)
        if hashlib.sha256(data).digest() != ref.sha256:
            raise CorruptObjectError(f"{ref.key} does not have the checksum that refers to it")
        return data

    return load


def reference(entry: FileEntry) -> ObjectRef:
    """Returns the reference of a file of the manifest."""
    try:
        digest = bytes.fromhex(entry.sha256)
    except ValueError as error:
        raise CorruptObjectError(f"{entry.path}: the manifest states no checksum") from error
    return ObjectRef(key=entry.path, bytes=entry.bytes, sha256=digest, rows=entry.rows, role=entry.role)
