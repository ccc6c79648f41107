"""The audit as a whole: every file once, then what they add up to."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Final

from pairmill.dataset import roles
from pairmill.dataset.ahead import FilesAhead
from pairmill.dataset.audit.candidates import check_candidates, check_funnel, count_rest
from pairmill.dataset.audit.embeddings import EMBEDDING_ROLES, check_embeddings
from pairmill.dataset.audit.findings import AuditReport, Finding, Findings
from pairmill.dataset.audit.ledger import check_ledgers, check_totals
from pairmill.dataset.audit.samples import check_samples
from pairmill.dataset.audit.shards import SHARD_ROLES, check_shards
from pairmill.dataset.audit.train import TRAIN_ROLES, check_train
from pairmill.dataset.audit.work import Progress, Work
from pairmill.dataset.lineage import lineage_of
from pairmill.dataset.manifest import MANIFEST_NAME, STATES, FileEntry, content_version
from pairmill.dataset.reader import Dataset
from pairmill.dataset.recount import Recount
from pairmill.errors import CorruptObjectError, InvalidRecordError, ObjectMissingError
from pairmill.schemas import SCHEMA_VERSION
from pairmill.store.port import ObjectStore

_COUNTED: Final = frozenset(
    {
        roles.SHARD_INDEX,
        roles.SAMPLES,
        roles.EMBEDDING_METADATA,
        roles.TRAIN_INDEX,
        roles.DEAD_LETTERS,
        roles.PLAN,
    }
)
_BY_OTHERS: Final = frozenset(
    {
        *_COUNTED,
        roles.SHARD,
        roles.SHARD_STATS,
        roles.KEPT_SHARD,
        roles.IMAGE_EMBEDDINGS,
        roles.TEXT_EMBEDDINGS,
        roles.TRAIN_SHARD,
        roles.LEDGER,
        roles.SPEC,
        roles.LIST,
    }
)


def audit(
    where: Path | ObjectStore,
    progress: Progress | None = None,
    *,
    name: str = MANIFEST_NAME,
    scratch: Path | None = None,
) -> AuditReport:
    """Recounts a dataset from its files and returns what does not close.

    Reads each file once, hashing while reading; `progress` is told (bytes read, bytes in all).
    Memory does not grow with the rows: ids are sorted in `scratch`, a temporary folder by default.
    Raises ConfigurationError where there is no finished dataset, InvalidRecordError where its manifest
    cannot be read.
    """
    dataset = Dataset.open(where, name)
    with (
        tempfile.TemporaryDirectory(prefix="pairmill-audit-", dir=scratch) as folder,
        _read_ahead(dataset, is_remote=not isinstance(where, Path)) as dataset,
    ):
        try:
            work = _start(dataset, Path(folder), progress or (lambda done, total: None))
        except (CorruptObjectError, ObjectMissingError, InvalidRecordError) as error:
            return _unreadable(str(error))
        _check_manifest(work)
        return _check_all(work)


@contextmanager
def _read_ahead(dataset: Dataset, *, is_remote: bool) -> Iterator[Dataset]:
    """Gives a dataset whose files come before they are asked for, if they come from afar."""
    if not is_remote:
        yield dataset
        return
    with FilesAhead(dataset.source, _reading_order(dataset)) as source:
        yield replace(dataset, source=source)


def _reading_order(dataset: Dataset) -> Iterator[FileEntry]:
    """Yields the files as the checks read them, one after the other."""
    yield from dataset.files(roles.LEDGER)
    yield from dataset.files(roles.SPEC, roles.LIST)
    yield from dataset.files(*SHARD_ROLES)
    for three in zip_longest(*(dataset.files(role) for role in EMBEDDING_ROLES)):
        yield from (entry for entry in three if entry is not None)
    yield from dataset.files(roles.SAMPLES)
    yield from dataset.files(*TRAIN_ROLES)
    for role in (roles.DEAD_LETTERS, roles.PLAN):
        yield from dataset.files(role)
    yield from (entry for entry in dataset.files() if entry.role not in _BY_OTHERS)


def _start(dataset: Dataset, folder: Path, progress: Progress) -> Work:
    """Raises where the list of files cannot be read or the job is none."""
    size = counted = 0
    for entry in dataset.files():
        size += entry.bytes
        counted += entry.rows if entry.role in _COUNTED else 0
    return Work(
        dataset=dataset,
        spec=dataset.manifest.spec(),
        lineage=lineage_of(dataset),
        findings=Findings(),
        recount=Recount(folder, counted),
        progress=progress,
        bytes_in_all=size,
    )


def _unreadable(problem: str) -> AuditReport:
    finding = Finding(check="manifest", path="", problem=problem)
    return AuditReport(findings=(finding,), files=0, bytes=0, units=0, candidates=0, final=Counter())


def _check_manifest(work: Work) -> None:
    manifest = work.dataset.manifest
    last = ""
    for entry in work.dataset.files():
        if entry.path <= last:
            problem = "is listed twice" if entry.path == last else "is not listed in order"
            work.findings.add("manifest", entry.path, f"the file {problem}")
        last = entry.path
    if content_version(manifest, work.dataset.files()) != manifest.version:
        work.findings.add("manifest", "", "the version is not that of the content: the manifest was changed")
    if manifest.state not in STATES:
        work.findings.add("manifest", "", f"the state {manifest.state!r} is not one of {', '.join(STATES)}")
    if manifest.schema_version != SCHEMA_VERSION:
        problem = (
            f"schema version {manifest.schema_version} is not {SCHEMA_VERSION}, which this version reads"
        )
        work.findings.add("manifest", "", problem)


def _check_all(work: Work) -> AuditReport:
    found = check_ledgers(work)
    work.tallies = found.tallies
    checks: tuple[Callable[[Work], None], ...] = (
        check_shards,
        check_embeddings,
        check_samples,
        check_train,
        count_rest,
    )
    for check in checks:
        check(work)
    for entry in work.dataset.files():
        if entry.role not in _BY_OTHERS:
            work.check(entry)
    check_totals(found, work)
    judged = check_candidates(found, work)
    check_funnel(judged, found, work)
    return AuditReport(
        findings=tuple(work.findings.closed()),
        files=work.files,
        bytes=work.bytes_read,
        units=found.units,
        candidates=judged.candidates,
        final=judged.final,
    )
