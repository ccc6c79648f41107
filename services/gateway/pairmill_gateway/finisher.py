"""What is written when a job has ended: ledger file, report, the version before, last the manifest (U12)."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from google.protobuf.message import DecodeError

from pairmill.bus.port import Bus, TopicPartition
from pairmill.dataset import roles
from pairmill.dataset.assemble import EndedJob, assemble
from pairmill.dataset.derived import RETRY_FAILED
from pairmill.dataset.final import inherited_files
from pairmill.dataset.manifest import FileEntry, Manifest, with_report
from pairmill.dataset.manifest_files import ManifestReader, manifest_in, write_manifest
from pairmill.dataset.reader import Dataset
from pairmill.dataset.source import DatasetFiles
from pairmill.dataset.versions import keep_current_version, manifest_name_of, report_key
from pairmill.errors import NoSpaceError, ObjectMissingError
from pairmill.ledger.follower import JobFollower, loader, record_job
from pairmill.ledger.walk import Walk
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.messages import ledger_partition
from pairmill.store.port import ObjectStore
from pairmill.units import LEDGER_TOPIC
from pairmill_gateway.status import CANDIDATE_STAGES, incomplete_reasons, unit_failures
from pairmill_protos.job.v1.job_pb2 import JobEnded, JobSpec
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, ObjectRef

REPORT_NAME: Final = "report.html"
"""Where people look: a copy of the latest version's report. The manifest lists the one named by its job."""

_BATCH: Final = 2_000
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class DatasetFinisher:
    """Writes a dataset's last files into the store. Whoever does it again writes the same bytes."""

    def __init__(
        self,
        bus: Bus,
        store: ObjectStore,
        source: DatasetFiles,
        scratch: Path,
        render: Callable[[Dataset], str],
        checkpoints: Checkpoints,
        first_place: int = 0,
    ) -> None:
        """Below `first_place` the ledger holds nothing of the job."""
        self._first_place = first_place
        self._bus = bus
        self._store = store
        self._source = source
        self._scratch = scratch
        self._render = render
        self._checkpoints = checkpoints

    def finish(self, follower: JobFollower) -> JobEnded:
        """Writes ledger file, report and, last, the manifest; returns the job's end."""
        spec = follower.root.spec
        base = self._base(spec)
        with _scratch_folder(self._scratch) as folder:
            job = EndedJob(
                walk=follower.walk,
                records=job_records(self._bus, spec.job_id, self._first_place),
                load=loader(self._store),
                why=sorted({*incomplete_reasons(follower.walk), *_still_lacking(spec, base)}),
                inherited=_inherited(follower.walk, base),
            )
            manifest = assemble(job, self._source, self._store.put_file, folder)
        manifest = with_report(manifest, self._report(manifest))
        keep_current_version(self._store, self._source, except_job=spec.job_id)
        self._checkpoints.passed("before_manifest")
        written = write_manifest(self._store, manifest)
        self._checkpoints.passed("after_manifest")
        return JobEnded(
            job_id=spec.job_id,
            state=manifest.state,
            lacks=manifest.why,
            manifest=written,
            ledger=_reference(manifest, f"ledger/{spec.job_id}.parquet"),
        )

    def _base(self, spec: JobSpec) -> Dataset | None:
        """Returns the version that the job builds on, current or kept."""
        if not spec.HasField("base"):
            return None
        name = manifest_name_of(self._source, spec.base.job_id)
        if name is None:
            raise ObjectMissingError(f"the manifest of the base version {spec.base.job_id} is not there")
        return Dataset(self._source, manifest_in(self._source, name))

    def _report(self, manifest: Manifest) -> FileEntry:
        """Stores the report under its job's name, and where people look for it."""
        page = self._render(Dataset(self._source, ManifestReader(manifest, self._source))).encode()
        key = report_key(manifest.job_id)
        self._store.put(key, page)
        self._store.put(REPORT_NAME, page)
        digest = hashlib.sha256(page).hexdigest()
        return FileEntry(path=key, role=roles.REPORT, rows=0, bytes=len(page), sha256=digest)


def job_records(bus: Bus, job_id: str, first_place: int = 0) -> Iterator[tuple[int, LedgerRecord]]:
    """Yields a job's records with their places, in ledger order."""
    source, position = TopicPartition(LEDGER_TOPIC, ledger_partition(bus, job_id)), first_place
    key = job_id.encode()
    while messages := bus.read(source, start=position, max_records=_BATCH):
        for message in messages:
            record = _parsed(message.value) if message.key == key else None
            if record is not None and record_job(record) == job_id:
                yield message.offset, record
        position = messages[-1].offset + 1


def _inherited(walk: Walk, base: Dataset | None) -> tuple[FileEntry, ...]:
    """Returns the files that a version takes over; a cancelled repair has replaced nothing of them."""
    if base is None:
        return ()
    is_repair = walk.root.spec.base.kind == RETRY_FAILED and not walk.cancelled
    return tuple(inherited_files(base, is_repair=is_repair))


def _still_lacking(spec: JobSpec, base: Dataset | None) -> list[str]:
    """Returns what the base lacks and the job did not try again: a repair runs given-up candidates anew."""
    if base is None:
        return []
    healed = [unit_failures(stage) for stage in CANDIDATE_STAGES] if spec.base.kind == RETRY_FAILED else []
    return [reason for reason in base.manifest.why if not reason.endswith(tuple(healed))]


def _parsed(value: bytes) -> LedgerRecord | None:
    try:
        return LedgerRecord.FromString(value)
    except DecodeError:
        return None  # no fact at all, as the walk has it


def _reference(manifest: Manifest, path: str) -> ObjectRef:
    entry = next(entry for entry in manifest.files if entry.path == path)
    digest = bytes.fromhex(entry.sha256)
    return ObjectRef(key=path, bytes=entry.bytes, sha256=digest, rows=entry.rows, role=entry.role)


@contextmanager
def _scratch_folder(root: Path) -> Iterator[Path]:
    """Gives a private folder; a full disk is a condition of the environment."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="finish-", dir=root) as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceError(f"scratch: no space left: {error}") from error
        raise
