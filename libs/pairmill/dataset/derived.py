"""Specs of jobs that make a new version of a dataset: a refilter, a repair (U12, U16)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pairmill import __version__
from pairmill.dataset import roles
from pairmill.dataset.funnel import closing_rows
from pairmill.dataset.ledger_file import LedgerRow, read_ledger
from pairmill.dataset.lineage import reference
from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill.dataset.reader import Dataset, job_of
from pairmill.errors import ConfigurationError, CorruptObjectError
from pairmill.jobspec.settings import apply_settings
from pairmill.ledger.phases import SCORES_ROLE, is_aligned_refilter, partition_count
from pairmill.ledger.root import Load
from pairmill.reasons import RULES_VERSION
from pairmill.units import reference_list
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase, ObjectRef, References

REFILTER: Final = "refilter"
RETRY_FAILED: Final = "retry_failed"

REFILTERABLE: Final = (
    "finalise.choose_by_cluster",
    "finalise.choose_by_url",
    "finalise.max_per_domain",
    "finalise.train_shard_samples",
)
"""Settings that a refilter may change besides `score.*`; all others need images or pages again."""

_DATA: Final = f"/f{FinalisePhase.FINALISE_PHASE_WRITE_DATA:02d}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedSpec:
    """A spec on top of a base, not admitted yet, and the objects to store first."""

    spec: JobSpec
    objects: dict[str, bytes] = field(default_factory=dict)


def refilter(base: Dataset, settings: Mapping[str, str], load: Load) -> DerivedSpec:
    """Returns the spec of a refilter with other thresholds or choices.

    Raises ConfigurationError for a setting that stored columns cannot answer, and for a base that
    cannot be built on.
    """
    wrong = [name for name in settings if not (name.startswith("score.") or name in REFILTERABLE)]
    if wrong:
        allowed = ", ".join(("score.*", *REFILTERABLE))
        raise ConfigurationError(
            "\n".join(f"--set {name}: a refilter cannot change it, only {allowed}" for name in wrong)
        )
    derived = _on_top_of(base, REFILTER)
    apply_settings(derived.spec, dict(settings))
    derived.spec.base.partitions = _id_ranges(base, load)
    return derived


def repair(base: Dataset, rows: ObjectRef) -> DerivedSpec:
    """Returns the spec of a repair that runs the download units again which `rows` lists.

    Raises ConfigurationError for a base that cannot be built on.
    """
    derived = _on_top_of(base, RETRY_FAILED)
    derived.spec.base.rows.CopyFrom(rows)
    return derived


def changes_nothing(derived: JobSpec, base: JobSpec) -> bool:
    """Returns whether a refilter asks for what the base already is."""
    return derived.score == base.score and derived.finalise == base.finalise


def _on_top_of(base: Dataset, kind: str) -> DerivedSpec:
    spec = base.manifest.spec()
    _check_base(base, spec)
    name = spec.job_id
    for unset in ("job_id", "wat_list", "wat_count", "base"):
        spec.ClearField(unset)
    spec.code_version = __version__
    spec.base.job_id = name
    spec.base.kind = kind
    spec.base.manifest_sha256 = hashlib.sha256(base.source.read(MANIFEST_NAME)).hexdigest()
    scored, objects = reference_list(_samples(base), "lists")
    spec.base.scored.CopyFrom(scored)
    return DerivedSpec(spec=spec, objects=objects)


def _check_base(base: Dataset, spec: JobSpec) -> None:
    if base.manifest.state == "cancelled":
        raise ConfigurationError("the dataset was cancelled and holds no samples; run the job again")
    if spec.rules_version != RULES_VERSION:
        raise ConfigurationError(
            f"rules_version: the dataset was made with rules {spec.rules_version}, this version of "
            f"Pairmill has {RULES_VERSION}; use the version that made it ({spec.code_version})"
        )


def _samples(base: Dataset) -> list[ObjectRef]:
    """Returns the files of `data/` in order, each with the id range that it holds."""
    ranges = _ranges_by_file(base)
    found = []
    for entry in base.files(roles.SAMPLES):
        ref = reference(entry)
        if entry.path in ranges:
            ref.partition = ranges[entry.path]
        found.append(ref)
    return found


def _ranges_by_file(base: Dataset) -> dict[str, int]:
    ranges: dict[str, int] = {}
    for row in _ledger(base):
        if _DATA in row.unit_id:
            number = int(row.unit_id.rsplit("/", 1)[1])
            ranges |= {output.key: number for output in row.outputs if output.role == roles.SAMPLES}
    return ranges


def _id_ranges(base: Dataset, load: Load) -> int:
    """Returns the number of id ranges that the base's `data/` was cut into (`ledger.finalisation`)."""
    spec = base.manifest.spec()
    if is_aligned_refilter(spec):
        return spec.base.partitions
    rows = sum(ref.rows for ref in _all(spec.base.scored, load))
    if spec.base.kind != REFILTER:
        outputs = (output for row in _ledger(base) if row.stage == "score" for output in row.outputs)
        rows += sum(output.rows for output in outputs if output.role == SCORES_ROLE)
    return partition_count(rows, spec.finalise.partition_rows)


def _all(listed: References, load: Load) -> list[ObjectRef]:
    if listed.HasField("listed"):
        return list(References.FromString(load(listed.listed)).inline)
    return list(listed.inline)


def _ledger(base: Dataset) -> Iterator[LedgerRow]:
    """Yields what closed the units of the base's own job."""
    entry = next((found for found in base.files(roles.LEDGER) if job_of(found) == base.manifest.job_id), None)
    if entry is None:
        raise CorruptObjectError(f"the manifest lists no ledger of job {base.manifest.job_id}")
    with base.source.local(entry.path) as path:
        yield from closing_rows(read_ledger(path))
