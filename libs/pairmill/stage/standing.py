"""Is a unit still wanted, and was it started before? What a stage asks before work (U2a)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

from pairmill.bus.port import Bus
from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.ledger.follower import JobFollower
from pairmill.stage.datasets import dataset_store
from pairmill.store.port import ObjectStore
from pairmill_protos.unit.v1.unit_pb2 import UnitTask

STARTS_BEFORE_ISOLATION: Final = 3
_JOBS_KEPT = 8


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a unit. It may be stale, which costs time only."""

    wanted: bool
    starts: int = 0

    @property
    def isolate(self) -> bool:
        """Whether it was started so often without an end that it is worked on in isolation (U13)."""
        return self.starts >= STARTS_BEFORE_ISOLATION


class Registry(Protocol):
    """Whoever knows the standing of units."""

    def ask(self, tasks: list[UnitTask]) -> list[Standing]:
        """Returns the standing of each task, in order; `Standing(wanted=True)` if it cannot tell."""
        ...


class LedgerRegistry:
    """Reads the ledger itself: the embedded registry, one walk per job. Used by one thread."""

    def __init__(self, bus: Bus, store: ObjectStore) -> None:
        self._bus = bus
        self._store = store
        self._followers: OrderedDict[str, JobFollower] = OrderedDict()

    def ask(self, tasks: list[UnitTask]) -> list[Standing]:
        """Returns the standing of each task as of now."""
        followers = {task.job_id: self._current(task) for task in tasks}
        return [self._standing(followers[task.job_id], task) for task in tasks]

    def _standing(self, follower: JobFollower | None, task: UnitTask) -> Standing:
        if follower is None:
            return Standing(wanted=True)
        return Standing(
            wanted=follower.walk.is_wanted(task.unit_id, task.input_digest),
            starts=follower.starts(task.unit_id, task.input_digest),
        )

    def _current(self, task: UnitTask) -> JobFollower | None:
        """Returns the follower of a task's job as of now; None where its objects cannot be read."""
        try:
            follower = self._follower(task)
            follower.catch_up()
            follower.walk.take_expected()
            follower.catch_up_progress()
            follower.forget_closed()
        except (ObjectMissingError, CorruptObjectError):
            return None
        return follower

    def _follower(self, task: UnitTask) -> JobFollower:
        if task.job_id not in self._followers:
            follower = JobFollower(self._bus, dataset_store(self._store, task.dataset), task.spec)
            self._followers[task.job_id] = follower
            while len(self._followers) > _JOBS_KEPT:
                self._followers.popitem(last=False)
        self._followers.move_to_end(task.job_id)
        return self._followers[task.job_id]
