"""The versions of a dataset in one place: the current `dataset.json`, and those before it (U12, U16).

A refilter or repair of a dataset in its own folder replaces `dataset.json`; the manifest that stood
there is kept, byte by byte, under the name of its job. Files of an earlier version are never deleted
by a later one, so each kept manifest still describes a whole dataset.
"""

from __future__ import annotations

from pairmill.dataset.manifest import MANIFEST_NAME, Manifest, parse_manifest
from pairmill.dataset.source import DatasetFiles
from pairmill.errors import InvalidRecordError, ObjectMissingError
from pairmill.store.port import ObjectStore


def version_key(job_id: str) -> str:
    """Returns where the manifest of an earlier version is kept."""
    return f"versions/{job_id}.json"


def report_key(job_id: str) -> str:
    """Returns where the report of a job's version stands."""
    return f"report/{job_id}.html"


def current_manifest(source: DatasetFiles) -> Manifest | None:
    """Returns the manifest that `dataset.json` holds, or None if there is none or it cannot be read."""
    try:
        return parse_manifest(source.read(MANIFEST_NAME))
    except (ObjectMissingError, InvalidRecordError):
        return None


def manifest_name_of(source: DatasetFiles, job_id: str) -> str | None:
    """Returns the name of the manifest that a job wrote, current or kept; None if there is none."""
    current = current_manifest(source)
    if current is not None and current.job_id == job_id:
        return MANIFEST_NAME
    kept = version_key(job_id)
    return kept if source.size(kept) is not None else None


def keep_current_version(store: ObjectStore, source: DatasetFiles, *, except_job: str) -> None:
    """Stores the current manifest under the name of its job, unless it is that of `except_job`.

    To be called before `dataset.json` is replaced; any number of times.
    """
    current = current_manifest(source)
    if current is not None and current.job_id != except_job:
        store.put(version_key(current.job_id), source.read(MANIFEST_NAME))
