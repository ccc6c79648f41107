"""The manifest of an export, `subset.json`: its files, and what they were cut from and how."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore
from pairmill_explorer.subsets.exports import layout
from pairmill_explorer.subsets.exports.job import ExportJob, Format, WrittenFile

SCHEMA_VERSION: Final = 1


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Samples: matching ≥ chosen = written + without_image + corrupt."""

    matching: int  # admitted by the filters
    chosen: int  # by the recipe
    written: int
    without_image: int  # left out of a WebDataset: their bytes were not kept
    corrupt: int  # left out: their stored bytes are damaged


class SubsetManifest(msgspec.Struct, frozen=True, kw_only=True):
    """An export that is complete. Equal exports have equal manifests: no time stands in it."""

    export_id: str
    name: str
    revision: int
    recipe: dict[str, Any]
    recipe_digest: str
    format: Format
    shard_samples: int
    dataset_version: str
    dataset_job: str
    index_version: str
    model: str
    counts: Counts
    bytes: int
    files: tuple[WrittenFile, ...]
    corrupt_ids: tuple[str, ...] = ()  # the first thousand
    schema_version: int = SCHEMA_VERSION
    code_version: str = ""


def encoded(manifest: SubsetManifest) -> bytes:
    """Returns a manifest's bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def new_manifest(
    job: ExportJob, counts: Counts, files: tuple[WrittenFile, ...], corrupt: tuple[str, ...], code: str
) -> SubsetManifest:
    """Returns the manifest of a job whose files stand."""
    return SubsetManifest(
        export_id=job.export_id,
        name=job.name,
        revision=job.revision,
        recipe=job.recipe,
        recipe_digest=job.recipe_digest,
        format=job.format,
        shard_samples=job.shard_samples,
        dataset_version=job.dataset_version,
        dataset_job=job.dataset_job,
        index_version=job.index_version,
        model=job.model,
        counts=counts,
        bytes=sum(file.bytes for file in files),
        files=tuple(sorted(files, key=lambda file: file.path)),
        corrupt_ids=corrupt[:1000],
        code_version=code,
    )


def read_subset(store: ObjectStore, export_id: str) -> SubsetManifest | None:
    """Returns the manifest of an export, or None while it is not complete."""
    key = layout.manifest_key(export_id)
    try:
        return msgspec.json.decode(store.get(key), type=SubsetManifest)
    except ObjectMissingError:
        return None
    except msgspec.DecodeError as error:
        raise CorruptObjectError(f"{key} cannot be read: {error}") from error
