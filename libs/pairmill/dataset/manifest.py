"""The manifest `dataset.json`: what a dataset consists of and how it came about (design: section 9).

It is a function of the walk, so that any number of writers write the same bytes: sorted, without
times of its own. Up to 10,000 files stand in it; above that it lists parquet files that do
(`pairmill.dataset.manifest_files` hides the difference).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from pairmill.dataset.roles import MANIFEST_PART, REPORT
from pairmill.dataset.source import checked_path
from pairmill.errors import ConfigurationError, InvalidRecordError
from pairmill.schemas import SCHEMA_VERSION
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

MANIFEST_NAME: Final = "dataset.json"
STATES: Final = ("complete", "incomplete", "cancelled")

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of the dataset."""

    path: str  # relative to the dataset's root
    role: str  # one of `pairmill.dataset.roles`
    rows: int  # rows, samples or records in it; 0 where the notion does not apply
    bytes: int
    sha256: str  # hex

    @classmethod
    def of(cls, ref: ObjectRef) -> FileEntry:
        """Returns the entry of a stored object."""
        return cls(path=ref.key, role=ref.role, rows=ref.rows, bytes=ref.bytes, sha256=ref.sha256.hex())

    def as_dict(self) -> dict[str, str | int]:
        """Returns plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunnelRow:
    """Rows of a stage that ended alike. The outcome `in` counts what the stage was given.

    The stage `dataset` says how the candidates ended.
    """

    stage: str
    outcome: str
    reason: str  # empty where the outcome needs none
    count: int

    def as_dict(self) -> dict[str, str | int]:
        """Returns plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The manifest without the files that stand in its parts."""

    state: str  # one of STATES
    why: tuple[str, ...]  # what is incomplete, in plain sentences
    job: Mapping[str, Any]  # the JobSpec as JSON, fields by their names
    version: str  # digest of the content, hex
    schema_version: str
    funnel: tuple[FunnelRow, ...]
    files: tuple[FileEntry, ...]  # all files, or the manifest's parts

    @property
    def bundle(self) -> Mapping[str, Any]:
        """The model bundle that the job was pinned to."""
        return dict(self.job.get("bundle", {}))

    @property
    def profile(self) -> str:
        """Name of the job's profile."""
        return str(self.job.get("profile", ""))

    @property
    def job_id(self) -> str:
        """The job that made this version."""
        return str(self.job.get("job_id", ""))

    @property
    def is_split(self) -> bool:
        """Whether the files stand in parts."""
        return any(entry.role == MANIFEST_PART for entry in self.files)

    def spec(self) -> JobSpec:
        """Returns the job's spec; fields that this version does not know are left out."""
        try:
            return ParseDict(dict(self.job), JobSpec(), ignore_unknown_fields=True)
        except ParseError as error:
            raise InvalidRecordError(f"{MANIFEST_NAME}: job is no job spec: {error}") from error

    def to_json(self) -> bytes:
        """Returns the bytes of `dataset.json`."""
        fields = {
            "state": self.state,
            "why": list(self.why),
            "profile": self.profile,
            "version": self.version,
            "schema_version": self.schema_version,
            "id_version": self.job.get("id_version", 0),
            "code_version": self.job.get("code_version", ""),
            "bundle": self.bundle,
            "job": self.job,
            "funnel": [row.as_dict() for row in self.funnel],
            "files": [entry.as_dict() for entry in self.files],
        }
        return json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def new_manifest(
    *,
    spec: JobSpec,
    state: str,
    why: Iterable[str],
    funnel: Iterable[FunnelRow],
    files: Iterable[FileEntry],
) -> Manifest:
    """Returns a manifest with its version and all its files, which are sorted by path.

    The version is SHA-256 over everything but the report: the same content has the same version.
    """
    ordered = tuple(sorted(files, key=lambda entry: entry.path))
    draft = Manifest(
        state=state,
        why=tuple(sorted(why)),
        job=MessageToDict(spec, preserving_proto_field_name=True),
        version="",
        schema_version=SCHEMA_VERSION,
        funnel=tuple(funnel),
        files=(),
    )
    return replace(draft, version=content_version(draft, ordered), files=ordered)


def with_report(manifest: Manifest, report: FileEntry) -> Manifest:
    """Returns a manifest that lists the report too, which is no part of the content."""
    others = [entry for entry in manifest.files if entry.path != report.path]
    return replace(manifest, files=tuple(sorted([*others, report], key=lambda entry: entry.path)))


def content_version(manifest: Manifest, files: Iterable[FileEntry]) -> str:
    """Returns the digest of a manifest's facts, its version and files left out, and of its files."""
    facts = json.loads(manifest.to_json())
    del facts["version"], facts["files"]
    digest = hashlib.sha256(_canonical(facts))
    for entry in files:
        if entry.role != REPORT:
            digest.update(_canonical(entry.as_dict()))
    return digest.hexdigest()


def parse_manifest(data: bytes) -> Manifest:
    """Returns the manifest of these bytes; raises InvalidRecordError saying what is wrong with them."""
    try:
        fields = json.loads(data)
        return Manifest(
            state=_text(fields, "state"),
            why=tuple(str(reason) for reason in fields["why"]),
            job=dict(fields["job"]),
            version=_text(fields, "version"),
            schema_version=_text(fields, "schema_version"),
            funnel=tuple(_funnel_row(row) for row in fields["funnel"]),
            files=tuple(parse_entry(row) for row in fields["files"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"the field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise InvalidRecordError(f"{MANIFEST_NAME} cannot be read: {problem}") from error


def read_manifest(out: Path, name: str = MANIFEST_NAME) -> Manifest:
    """Returns the manifest of the dataset in a folder; its files may stand in parts.

    Raises ConfigurationError where there is no finished dataset.
    """
    try:
        data = (out / name).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{out}: there is no finished dataset here (no {name})") from error
    return parse_manifest(data)


def parse_entry(row: Mapping[str, Any]) -> FileEntry:
    """Returns the entry of plain values; raises ValueError, KeyError or InvalidRecordError if bad."""
    entry = FileEntry(
        path=checked_path(_text(row, "path")),
        role=_text(row, "role"),
        rows=_number(row, "rows"),
        bytes=_number(row, "bytes"),
        sha256=_text(row, "sha256"),
    )
    if not _HEX_SHA256.fullmatch(entry.sha256):
        raise ValueError(f"{entry.path}: sha256 is not 64 hex digits")
    return entry


def _funnel_row(row: Mapping[str, Any]) -> FunnelRow:
    return FunnelRow(
        stage=_text(row, "stage"),
        outcome=_text(row, "outcome"),
        reason=_text(row, "reason"),
        count=_number(row, "count"),
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text: {value!r}")
    return value


def _number(row: Mapping[str, Any], name: str) -> int:
    value = row[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{name} is no number of rows or bytes: {value!r}")
    return value


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
