"""New versions of a finished dataset: what to run, and over which folder (U12, U16)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pairmill.dataset.derived import changes_nothing, refilter
from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill.dataset.reader import Dataset
from pairmill.dataset.retriable import RETRIABLE_REASONS
from pairmill.errors import ConfigurationError
from pairmill.ledger.follower import loader
from pairmill.store.factory import open_store
from pairmill.store.temporary import writing_beside
from pairmill_gateway.new_versions import NewVersion, admit_derived, repair_of
from pairmill_standalone.workspace import Workspace

REFILTER_STAGES: Final = ("finaliser",)
REPAIR_STAGES: Final = ("downloader", "inference", "scorer", "finaliser")

_BESIDE: Final = ("report.html",)


def admit_refilter(workspace: Workspace, settings: Mapping[str, str]) -> NewVersion | None:
    """Returns the job that applies other thresholds, or None if the dataset already is as asked for."""
    dataset = Dataset.open(workspace.out)
    with open_store(workspace.store_url) as store:
        derived = refilter(dataset, settings, loader(store))
    if changes_nothing(derived.spec, dataset.manifest.spec()):
        return None
    return NewVersion(admission=admit_derived(derived), rows=0)


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
        return repair_of(dataset, store, Path(folder), reasons, failed=failed)


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
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        with writing_beside(target) as (file, temporary), source.open("rb") as copied:
            shutil.copyfileobj(copied, file)
            file.flush()
            temporary.replace(target)
