"""Admission: from a spec and a list of WATs to a pinned job (U6, U17, U19). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pairmill.errors import ConfigurationError
from pairmill.jobspec.validate import validate
from pairmill.units import list_key
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

_REMOTE = ("http", "https")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A job that may be started: its spec by reference, and the objects that must be stored first."""

    spec: JobSpec
    spec_ref: ObjectRef
    objects: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class WatList:
    """A normalised list of WATs, each once in the order of first mention, and the lines that are bad."""

    wats: tuple[str, ...]
    problems: tuple[str, ...]


def normalise_wats(lines: Iterable[str], base: Path | None = None) -> WatList:
    """Returns the WATs of a list; paths are made absolute against `base`, blanks and `#` lines skipped."""
    wats: dict[str, None] = {}
    problems = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            wats[_normalise(text, base)] = None
        except ValueError as error:
            problems.append(f"line {number}: {text[:100]!r}: {error}")
    return WatList(tuple(wats), tuple(problems))


def _normalise(text: str, base: Path | None) -> str:
    if any(ord(character) < 0x20 for character in text):
        raise ValueError("control characters")
    if "://" in text:
        parts = urlsplit(text)
        if parts.scheme not in _REMOTE or not parts.hostname:
            raise ValueError("neither a path nor an http(s) URL")
        return text
    return str(((base or Path.cwd()) / text).resolve())


def admit(
    spec: JobSpec, wats: tuple[str, ...], tenant: str = "local", idempotency_key: str = ""
) -> Admission:
    """Returns the pinned job; raises ConfigurationError with everything that is wrong with the spec.

    The job's id is the hash of tenant and key, or without a key of tenant and spec: two admissions of one
    submission are one job (U19).
    """
    validate(spec)
    if not wats and not spec.base.job_id:
        raise ConfigurationError("wat: the job has no WAT; name at least one with --wat or --wat-list")
    pinned = JobSpec()
    pinned.CopyFrom(spec)
    listing = "".join(f"{wat}\n" for wat in wats).encode()
    pinned.wat_count = len(wats)
    pinned.ClearField("job_id")
    pinned.wat_list.CopyFrom(_reference("lists", listing, len(wats), "list"))
    said = (
        b"key\0" + idempotency_key.encode()
        if idempotency_key
        else pinned.SerializeToString(deterministic=True)
    )
    seed = tenant.encode() + b"\0" + said
    pinned.job_id = "j" + hashlib.sha256(seed).hexdigest()[:12]
    data = pinned.SerializeToString(deterministic=True)
    spec_ref = _reference(pinned.job_id, data, 1, "spec")
    return Admission(
        spec=pinned,
        spec_ref=spec_ref,
        objects={pinned.wat_list.key: listing, spec_ref.key: data},
    )


def _reference(name: str, data: bytes, rows: int, role: str) -> ObjectRef:
    digest = hashlib.sha256(data).digest()
    return ObjectRef(key=list_key(name, digest), bytes=len(data), sha256=digest, rows=rows, role=role)
