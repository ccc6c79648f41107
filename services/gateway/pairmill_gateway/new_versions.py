"""New versions of a finished dataset as jobs: what failed runs again (U16)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from pairmill.dataset.derived import DerivedSpec, repair
from pairmill.dataset.reader import Dataset
from pairmill.dataset.retriable import RETRIABLE_REASONS, retriable_rows
from pairmill.store.port import ObjectStore
from pairmill_gateway.admission import Admission, admit
from pairmill_gateway.repair import plan_repair


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A job that makes the next version of a dataset."""

    admission: Admission
    rows: int  # candidates that run again; 0 for a refilter


def repair_of(
    dataset: Dataset,
    store: ObjectStore,
    scratch: Path,
    reasons: frozenset[str] = RETRIABLE_REASONS,
    *,
    failed: bool = True,
    tenant: str = "local",
) -> NewVersion | None:
    """Returns the job that tries again what failed for these reasons, or None if nothing did.

    Without `failed` the dead letters alone. What runs again is stored; `scratch` is a private folder.
    """
    tables = retriable_rows(dataset, reasons, failed=failed)
    plan = plan_repair(tables, dataset.manifest.spec(), store, scratch)
    if plan is None:
        return None
    return NewVersion(admission=admit_derived(repair(dataset, plan.tasks), tenant), rows=plan.rows)


def admit_derived(derived: DerivedSpec, tenant: str = "local") -> Admission:
    """Returns the pinned job of a spec that builds on a base."""
    admission = admit(derived.spec, (), tenant)
    return replace(admission, objects=admission.objects | derived.objects)
