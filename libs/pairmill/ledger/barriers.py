"""Barriers: what becomes expected when whole sets of units are closed (U3).

Both are functions of counted records alone. When a task is handed out is decided elsewhere and never
changes what is expected.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from pairmill.ledger.outputs import CANDIDATES_ROLE
from pairmill.ledger.paths import plan_id
from pairmill.ledger.root import JobRoot, Load
from pairmill.units import new_task, reference_list
from pairmill_protos.unit.v1.unit_pb2 import (
    FollowUps,
    ObjectRef,
    PlanInput,
    References,
    UnitDone,
    UnitInput,
    UnitTask,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A unit that became expected, with the objects to store before its task is published."""

    task: UnitTask
    attachments: dict[str, bytes] = field(default_factory=dict)
    handed_out: bool  # the gateway publishes it; otherwise the stage of its parent did


class Listing(NamedTuple):
    """References as an input holds them, and the object to store first if there are many."""

    references: References
    attachments: dict[str, bytes]


def references(listed: References, load: Load) -> list[ObjectRef]:
    """Returns all references, reading the object that lists them if there are many."""
    if listed.HasField("listed"):
        return list(References.FromString(load(listed.listed)).inline)
    return list(listed.inline)


def outputs_of_role(record: UnitDone, role: str, load: Load) -> list[ObjectRef]:
    """Returns a record's outputs of one role, in their order."""
    return [ref for ref in references(record.outputs, load) if ref.role == role]


def follow_ups(record: UnitDone, load: Load) -> list[UnitTask]:
    """Returns the tasks that follow a unit, reading the object that lists them if there are many."""
    if record.follow_ups.HasField("listed"):
        return list(FollowUps.FromString(load(record.follow_ups.listed)).inline)
    return list(record.follow_ups.inline)


def candidate_list(root: JobRoot, crawled: Iterable[UnitDone], load: Load) -> Listing:
    """Returns the candidate files that all plan units of a wave read.

    `crawled` are the wave's counted crawl units in the order of their WATs.
    """
    refs = (ref for record in crawled for ref in outputs_of_role(record, CANDIDATES_ROLE, load))
    return Listing(*reference_list(refs, root.spec.job_id))


def plan_task(
    root: JobRoot,
    wave: int,
    range_index: int,
    candidates: Listing,
    seen: Iterable[ObjectRef] | None,
) -> Expected:
    """Returns plan unit (wave, range).

    `seen` is the seen index that the counted plan unit of the wave before left, None in the first wave.
    """
    job_id = root.spec.job_id
    attachments = candidates.attachments
    plan = PlanInput(wave=wave, range=range_index, candidates=candidates.references)
    if seen is not None:
        references, extra = reference_list(seen, job_id)
        attachments = attachments | extra
        plan.seen.CopyFrom(references)
    task = new_task(
        spec=root.spec_ref,
        job_id=job_id,
        unit_id=plan_id(job_id, wave, range_index),
        unit_input=UnitInput(plan=plan),
    )
    return Expected(task=task, attachments=attachments, handed_out=True)
