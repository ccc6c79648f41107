"""From a ledger that came to its end to a manifest: what stands when a job is over (U12)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from pairmill.dataset import roles
from pairmill.dataset.contents import written_files
from pairmill.dataset.dead_letters import dead_units, write_dead_letters
from pairmill.dataset.final import final_counts_of
from pairmill.dataset.funnel import Counts, funnel_of
from pairmill.dataset.ledger_file import is_for_file, listed_objects, read_ledger, write_ledger
from pairmill.dataset.manifest import FileEntry, Manifest, new_manifest
from pairmill.dataset.manifest_files import ManifestReader
from pairmill.dataset.reader import Dataset
from pairmill.dataset.source import DatasetFiles
from pairmill.errors import CorruptObjectError
from pairmill.ledger.root import Load
from pairmill.ledger.walk import Closing, Walk
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, ObjectRef

Put: TypeAlias = Callable[[str, Path], object]
"""Stores a local file under a path of the dataset; durable on return."""

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """A job whose walk has come to its end, or that was cancelled."""

    walk: Walk  # fed the whole ledger
    records: Iterable[tuple[int, LedgerRecord]]  # the job's records with their places, in ledger order
    load: Load
    why: Sequence[str] = ()  # what is incomplete, in sentences
    inherited: Sequence[FileEntry] = ()  # files of a base version (`pairmill.dataset.final`)


def assemble(job: EndedJob, source: DatasetFiles, put: Put, scratch: Path) -> Manifest:
    """Writes ledger file and dead letters; returns the manifest with all files but the report.

    A function of the ledger: whoever does it again writes the same bytes. The manifest itself is not
    written: that is the last thing a job does, after the report.
    """
    root, spec = job.walk.root, job.walk.root.spec
    ledger = scratch / f"{spec.job_id}.parquet"
    written, listed = _write_ledger(job, ledger)
    entries = [
        _stored(f"ledger/{ledger.name}", ledger, roles.LEDGER, written, put),
        FileEntry.of(root.spec_ref),
        *(FileEntry.of(ref) for ref in listed),
        *_dead_letters(job, ledger, source, put),
        *job.inherited,
    ]
    if not job.walk.cancelled:
        entries.extend(written_files(read_ledger(ledger), spec))
    entries = list({entry.path: entry for entry in entries}.values())
    state = "cancelled" if job.walk.cancelled else "incomplete" if job.why else "complete"
    draft = new_manifest(spec=spec, state=state, why=job.why, funnel=(), files=entries)
    final = _counted(draft, source, scratch) if spec.HasField("base") else None
    funnel = funnel_of(read_ledger(ledger), final)
    return new_manifest(spec=spec, state=state, why=job.why, funnel=funnel, files=entries)


def _write_ledger(job: EndedJob, path: Path) -> tuple[int, list[ObjectRef]]:
    """Writes the ledger file; returns its rows and the long lists that a walk over it reads.

    Raises CorruptObjectError where records are gone that the walk has counted: they are deleted once the job
    has ended (U19), so a gateway that slept meanwhile has nothing to write any more.
    """
    spec, closed = job.walk.root.spec, 0
    listed = {ref.key: ref for ref in (spec.wat_list, spec.plan.exclusion_list, spec.base.rows) if ref.key}

    def counted() -> Iterator[tuple[int, LedgerRecord]]:
        nonlocal closed
        for place, record in job.records:
            if is_for_file(job.walk, place, record):
                closed += record.WhichOneof("record") != "cancel" and job.walk.is_counted(place, record)
                listed.update((ref.key, ref) for ref in listed_objects(record))
                yield place, record

    rows = write_ledger(path, counted(), job.load)
    known = sum(
        units for (_, closing), units in job.walk.closings.items() if closing is not Closing.CANCELLED
    )
    if closed != known:
        raise CorruptObjectError(
            f"of {known:,} records that closed units of {spec.job_id}, {closed:,} are left"
        )
    if spec.base.scored.HasField("listed"):
        listed[spec.base.scored.listed.key] = spec.base.scored.listed
    return rows, list(listed.values())


def _dead_letters(job: EndedJob, ledger: Path, source: DatasetFiles, put: Put) -> Iterator[FileEntry]:
    roots = job.walk.root.repair_tasks(job.load)
    units = list(dead_units(read_ledger(ledger), read_ledger(ledger), roots, job.load))
    if units:
        path = ledger.with_suffix(".dead.parquet")
        rows = write_dead_letters(path, units, source)
        yield _stored(f"ledger/{path.name}", path, roles.DEAD_LETTERS, rows, put)


def _counted(draft: Manifest, source: DatasetFiles, scratch: Path) -> Counts:
    return final_counts_of(Dataset(source, ManifestReader(draft, source)), scratch)


def _stored(key: str, path: Path, role: str, rows: int, put: Put) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    put(key, path)
    return FileEntry(path=key, role=role, rows=rows, bytes=size, sha256=digest.hexdigest())
