"""The janitor: removes what a job that ended leaves behind, of its own names alone (U4, U11).

Orphans' objects, what was only a step, and bytes that the job's policy gives up: everything that the
job wrote and its manifest does not name; and uploads that a killed process left open (G5). It may be
killed anywhere and run any number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Final

import structlog

from pairmill.dataset.manifest_files import manifest_in
from pairmill.dataset.source import DatasetFiles
from pairmill.dataset.versions import manifest_name_of
from pairmill.ledger.follower import loader
from pairmill.ledger.root import load_root
from pairmill.stage.checkpoints import Checkpoints, NoCheckpoints
from pairmill.store.port import ListedObject, ObjectStore
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

_AT_ONCE: Final = 1000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep removed."""

    objects: int = 0
    bytes: int = 0


class Janitor:
    """Sweeps one dataset."""

    def __init__(
        self, store: ObjectStore, source: DatasetFiles, checkpoints: Checkpoints | None = None
    ) -> None:
        self._store = store
        self._source = source
        self._checkpoints = checkpoints or NoCheckpoints()

    def sweep(self, job_id: str, also: Iterable[str] = ()) -> Swept:
        """Removes the leavings of a job that ended; a job without a manifest keeps everything.

        `also` are keys that the job owns without bearing its name (`repair_inputs`).
        """
        name = manifest_name_of(self._source, job_id)
        if name is None:
            return Swept()
        index = manifest_in(self._source, name)
        is_own = owner_pattern(job_id)
        kept = {entry.path for entry in (*index.files(), *index.manifest.files)}
        found = chain(self._written_by(is_own), self._present(also))
        removed = size = 0
        leavings = (info for info in found if info.key not in kept)
        while batch := list(islice(leavings, _AT_ONCE)):
            for _ in batch:
                self._checkpoints.passed("in_sweep")
            self._store.delete_all(info.key for info in batch)
            removed, size = removed + len(batch), size + sum(info.size_bytes for info in batch)
        uploads = self._store.abandon_uploads(lambda key: bool(is_own.search(key)))
        log.info("job_swept", job=job_id, objects=removed, bytes=size, uploads=uploads)
        return Swept(objects=removed, bytes=size)

    def _written_by(self, is_own: re.Pattern[str]) -> Iterator[ListedObject]:
        return (info for info in self._store.list("") if is_own.search(info.key) and _may_go(info.key))

    def _present(self, keys: Iterable[str]) -> Iterator[ListedObject]:
        return (info for info in map(self._store.stat, keys) if info is not None)


def repair_inputs(store: ObjectStore, spec_ref: ObjectRef) -> list[str]:
    """Returns the keys of the rows that a repair ran again: the job's id follows from their names."""
    root = load_root(spec_ref, loader(store))
    return sorted({task.input.download.rows.key for task in root.repair_tasks(loader(store))})


def owner_pattern(job_id: str) -> re.Pattern[str]:
    """Returns what a job's keys look like: its id stands as a whole folder or begins a flat unit id."""
    return re.compile(rf"(?:^|[/_-]){re.escape(job_id)}[./-]")


def _may_go(key: str) -> bool:
    """A version's manifest is named by its job too, and is no leaving."""
    return PurePosixPath(key).parts[0] != "versions"
