"""New versions of a finished dataset: what to run, and over which folder (U12, U16)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pairmill.dataset.derived import DerivedSpec, changes_nothing, refilter, repair
from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill.dataset.reader import Dataset
from pairmill.dataset.retriable import RETRIABLE_REASONS, retriable_rows
from pairmill.errors import ConfigurationError
from pairmill.ledger.follower import loader
from pairmill.store.factory import open_store
from pairmill_gateway.admission import Admission, admit
from pairmill_standalone.repair import plan_repair
from pairmill_standalone.workspace import Workspace

REFILTER_STAGES: Final = ("finaliser",)
REPAIR_STAGES: Final = ("downloader", "inference", "scorer", "finaliser")

_BESIDE: Final = ("report.html",)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A job that makes the next version of a dataset."""

    admission: Admission
    rows: int  # candidates that run again; 0 for a refilter


def admit_refilter(workspace: Workspace, settings: Mapping[str, str]) -> NewVersion | None:
    """Returns the job that applies other thresholds, or None if the dataset already is as asked for."""
    dataset = Dataset.open(workspace.out)
    with open_store(workspace.store_url) as store:
        derived = refilter(dataset, settings, loader(store))
    if changes_nothing(derived.spec, dataset.manifest.spec()):
        return None
    return NewVersion(admission=_admitted(derived), rows=0)


def admit_repair(
    workspace: Workspace, reasons: frozenset[str] = RETRIABLE_REASONS, *, failed: bool = True
) -> NewVersion | None:
    """Returns the job that tries again what failed for these reasons, or None if nothing did.

    Without `failed` the dead letters alone.
    """
    dataset = Dataset.open(workspace.out)
    with (
        open_store(workspace.store_url) as store,
        tempfile.TemporaryDirectory(prefix="again-", dir=workspace.state) as folder,
    ):
        tables = retriable_rows(dataset, reasons, failed=failed)
        plan = plan_repair(tables, dataset.manifest.spec(), store, Path(folder))
    if plan is None:
        return None
    return NewVersion(admission=_admitted(repair(dataset, plan.tasks)), rows=plan.rows)


def _admitted(derived: DerivedSpec) -> Admission:
    admission = admit(derived.spec, ())
    return replace(admission, objects=admission.objects | derived.objects)


def fork_dataset(source: Path, out: Path) -> None:
    """Makes a folder hold the dataset of another one, sharing its files where the disk allows it.

    The manifest comes last, so that a fork that was cut off is completed by the next call. Sharing is
    safe because an object's file is never written again.
    """
    dataset = Dataset.open(source)
    target = out / MANIFEST_NAME
    if target.exists():
        if target.read_bytes() == (source / MANIFEST_NAME).read_bytes():
            return
        raise ConfigurationError(f"--out: {out} already holds a dataset; choose another folder")
    paths = {entry.path for entry in (*dataset.files(), *dataset.manifest.files)}
    for path in (*sorted(paths), *_BESIDE, MANIFEST_NAME):
        for name in (f".checksums/{path}", path):
            if (source / name).is_file():
                _share(source / name, out / name)


def _share(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".tmp-{os.getpid()}-{target.name}"[:250])
    try:
        os.link(source, temporary)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, temporary)
    temporary.replace(target)
