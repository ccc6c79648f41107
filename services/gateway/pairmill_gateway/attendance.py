"""Whether somebody is there for the work that jobs have: the members of consumer groups (U17)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from pairmill.clock import Clock
from pairmill.errors import RetriableError
from pairmill.groups import group_of_job
from pairmill.ledger.walk import Walk
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import Stage

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 15.0
_SERVICES: Final = {
    Stage.STAGE_CRAWL: "crawler",
    Stage.STAGE_PLAN: "planner",
    Stage.STAGE_DOWNLOAD: "downloader",
    Stage.STAGE_EMBED: "inference",
    Stage.STAGE_SCORE: "scorer",
    Stage.STAGE_FINALISE: "finaliser",
}
_BY_BUNDLE: Final = (Stage.STAGE_EMBED, Stage.STAGE_SCORE)


class Groups(Protocol):
    """A bus, as far as it tells of groups."""

    def has_members(self, group: str) -> bool:
        """Returns whether a group has a member now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A group that a job waits for in vain."""

    group: str
    error: str  # what is lacking, and what to do


class Attendance:
    """Keeps since when groups have been without a member. One thread looks, any may ask."""

    def __init__(self, groups: Groups, clock: Clock, patience_seconds: float) -> None:
        """An absence counts once it has lasted for `patience_seconds`."""
        self._groups = groups
        self._clock = clock
        self._patience = patience_seconds
        self._empty_since: dict[str, float] = {}
        self._next_look = 0.0

    def look(self, needed: Collection[str]) -> None:
        """Asks for the groups that jobs need, if it is time. Where no answer is had the last one stands.

        After a question without an answer no other is asked: each may take as long, and jobs wait meanwhile.
        """
        if self._clock.monotonic() < self._next_look:
            return
        known, empty, answers = self._empty_since, dict[str, float](), True
        for group in sorted(needed):
            is_empty = self._is_empty(group) if answers else None
            answers = is_empty is not None
            if is_empty or (is_empty is None and group in known):
                empty[group] = known.get(group, self._clock.monotonic())
        self._empty_since = empty
        self._next_look = self._clock.monotonic() + min(_LOOK_SECONDS, self._patience / 2)

    def empty_seconds(self, group: str) -> float:
        """Returns for how long a group has been without a member; 0 as long as that is no absence."""
        since = self._empty_since.get(group)
        empty = 0.0 if since is None else self._clock.monotonic() - since
        return empty if empty >= self._patience else 0.0

    def _is_empty(self, group: str) -> bool | None:
        """Returns None where no answer is had."""
        try:
            return not self._groups.has_members(group)
        except RetriableError as error:
            log.warning("group_not_looked_at", group=group, error=str(error))
            return None


def needed_groups(walk: Walk) -> dict[Stage.ValueType, str]:
    """Returns the groups that have open units of a job to work on."""
    spec = walk.root.spec
    return {stage: group_of_job(stage, spec) for stage in _SERVICES if walk.open_by_stage.get(stage, 0) > 0}


def absence_of(walk: Walk, attendance: Attendance) -> Absence | None:
    """Returns the first group, in the order of the stages, that is away from a job's open units."""
    for stage, group in needed_groups(walk).items():
        if seconds := attendance.empty_seconds(group):
            units = walk.open_by_stage[stage]
            return Absence(group=group, error=_advice(stage, group, units, seconds, walk.root.spec))
    return None


def _advice(stage: Stage.ValueType, group: str, units: int, seconds: float, spec: JobSpec) -> str:
    service, minutes = _SERVICES[stage], seconds / 60
    what = f"bundle {spec.bundle.digest}" if stage in _BY_BUNDLE else f"rules {spec.rules_version}"
    return (
        f"no {service} has been in the group {group} for {minutes:,.0f} min, and {units:,} unit(s) wait for "
        f"one; start a {service} with {what}, or cancel the job"
    )
