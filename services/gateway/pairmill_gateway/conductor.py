"""Acts for one job: hands out what waits for a wave or phase, and heals what got lost (U3, U5, U6)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog

from pairmill.bus.port import Bus, TopicPartition
from pairmill.clock import Clock
from pairmill.ledger.barriers import Expected
from pairmill.ledger.follower import JobFollower
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.messages import task_message
from pairmill.store.port import ObjectStore
from pairmill.units import STAGE_TOPICS
from pairmill_gateway.handout import HandOut
from pairmill_gateway.healing import Healer
from pairmill_gateway.ports import HandOutObserver, NobodyToTell, Repeat
from pairmill_protos.unit.v1.unit_pb2 import Progress, Stage, UnitTask

log = structlog.get_logger(__name__)

_HEAL_SECONDS: Final = 2.0
_PUBLISHED_AT_ONCE: Final = 200
_SCAN: Final = 1000
_HANDED_OUT: Final = (Stage.STAGE_CRAWL, Stage.STAGE_PLAN, Stage.STAGE_FINALISE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What acting takes."""

    bus: Bus
    store: ObjectStore  # of the job's dataset
    clock: Clock
    reissue_after_seconds: float
    checkpoints: Checkpoints
    observer: HandOutObserver = field(default_factory=NobodyToTell)


class Conductor:
    """Any number of them may act for a job: all they do may be done twice (U5). Not thread-safe.

    One that does not act only keeps in mind what is to be handed out, so that it may begin at any time.
    """

    def __init__(self, follower: JobFollower, means: Means, dataset: str = "") -> None:
        """`dataset` is the folder of the job's dataset."""
        self._follower = follower
        self._means = means
        self._dataset = dataset
        self._hand_out = HandOut(follower.walk)
        self._healer: Healer | None = None
        self._published: Collection[str] = ()
        self._unwatched: deque[UnitTask] = deque()  # handed out, not noted by the healer yet
        self._failed: dict[str, UnitTask] = {}  # to be handed out again
        self._repeats: Counter[str] = Counter()  # how often open units were handed out again
        self._next_heal = 0.0

    @property
    def waves_waiting(self) -> int:
        """Number of waves that are held back."""
        return self._hand_out.waiting

    @property
    def is_acting(self) -> bool:
        """Whether this gateway acts for the job."""
        return self._healer is not None

    def begin(self, published: Collection[str]) -> None:
        """Acts from now on; `published` are units whose tasks a gateway published before."""
        spec, means = self._follower.root.spec, self._means
        self._healer = Healer(means.bus, spec, means.clock, means.reissue_after_seconds)
        self._published = published
        held = self._hand_out.held()
        walk = self._follower.walk
        tasks = (walk.open_task(unit_id) for unit_id in walk.open_ids() if unit_id not in held)
        self._unwatched = deque(task for task in tasks if task is not None)

    def leave_off(self) -> None:
        """Another gateway acts from now on."""
        self._healer = None
        self._published = ()
        self._unwatched.clear()
        self._repeats.clear()

    def note(self) -> None:
        """Takes what became expected, and what failed, since the last call."""
        walk = self._follower.walk
        by_stages = self._hand_out.add(walk.take_expected())
        self._failed |= {task.unit_id: task for task in walk.take_failed()}
        if self._healer is not None:
            self._unwatched.extend(unit.task for unit in by_stages)

    def hear(self, signs: Iterable[Progress]) -> None:
        """Takes signs of life."""
        if self._healer is not None:
            for progress in signs:
                self._healer.sign_of_life(progress.unit_id)

    def act(self, *, resumed_after: int) -> int:
        """Does what can be done now; returns how many units were handed out for the first time.

        Failures up to the place `resumed_after` in the ledger are forgiven (U13).
        """
        if self._healer is None:
            self._prune()
            return 0
        published = self._publish(self._hand_out.take())
        self._watch(self._healer)
        blocking = self._follower.walk.blocking(after=resumed_after)
        self._hand_out_failed(self._healer, blocking)
        self._heal(self._healer, blocking)
        return published

    def _publish(self, units: list[Expected]) -> int:
        """Publishes units that are open and were not published before a restart."""
        published = position = 0
        try:
            while position < len(units):
                several = units[position : position + _PUBLISHED_AT_ONCE]
                published += self._publish_together([unit for unit in several if self._is_open(unit.task)])
                position += len(several)
        except Exception:
            self._hand_out.put_back(units[position:])
            raise
        return published

    def _publish_together(self, units: list[Expected]) -> int:
        for unit in units:
            for key, data in unit.attachments.items():
                self._means.store.put(key, data)
        new = [unit.task for unit in units if unit.task.unit_id not in self._published]
        self._send(new)
        self._unwatched.extend(unit.task for unit in units)
        return len(new)

    def _send(self, tasks: list[UnitTask]) -> None:
        bus, spec = self._means.bus, self._follower.root.spec
        if tasks:
            bus.publish([task_message(bus, task, spec, self._dataset) for task in tasks])
        for _ in tasks:
            self._means.checkpoints.passed("after_hand_out")

    def _watch(self, healer: Healer) -> None:
        """Notes where the tasks lie that were handed out, here or by a stage."""
        while self._unwatched:
            if self._is_open(self._unwatched[0]):
                healer.note(self._unwatched[0])
            self._unwatched.popleft()

    def _is_open(self, task: UnitTask) -> bool:
        return self._follower.walk.is_open(task.unit_id)

    def _hand_out_failed(self, healer: Healer, blocking: Collection[str]) -> None:
        """Hands out again what failed. What blocks the job waits for a resume, and nothing else (U13)."""
        for task in list(self._failed.values()):
            if task.unit_id in blocking:
                continue
            if self._is_open(task):
                self._hand_out_again(healer, task, "failed")
            del self._failed[task.unit_id]

    def _heal(self, healer: Healer, blocking: Collection[str]) -> None:
        if self._means.clock.monotonic() < self._next_heal:
            return
        self._next_heal = self._means.clock.monotonic() + _HEAL_SECONDS
        for task in healer.lost(self._follower.walk):
            if task.unit_id not in blocking:
                self._hand_out_again(healer, task, "lost")
        for unit_id in [unit_id for unit_id in self._repeats if not self._follower.walk.is_open(unit_id)]:
            del self._repeats[unit_id]

    def _hand_out_again(self, healer: Healer, task: UnitTask, cause: Repeat) -> None:
        self._send([task])
        healer.note(task)
        self._repeats[task.unit_id] += 1
        log.warning(
            "unit_handed_out_again", unit=task.unit_id, cause=cause, times=self._repeats[task.unit_id]
        )
        self._means.observer.handed_out_again(cause, self._repeats[task.unit_id])

    def _prune(self) -> None:
        """Forgets now and then what another gateway has handed out and is closed."""
        if self._means.clock.monotonic() >= self._next_heal:
            self._next_heal = self._means.clock.monotonic() + _HEAL_SECONDS
            self._hand_out.keep_only(lambda unit: self._is_open(unit.task))
            self._failed = {name: task for name, task in self._failed.items() if self._is_open(task)}


def published_units(bus: Bus, jobs: Collection[str]) -> dict[str, frozenset[str]]:
    """Returns, for each job, the units whose tasks a gateway published before, as far as still on the bus.

    A gateway that starts leaves those alone; if one of them got lost, healing finds out (U5).
    """
    found: dict[str, set[str]] = {job_id: set() for job_id in jobs}
    for stage in _HANDED_OUT if found else ():
        for topic in STAGE_TOPICS[stage]:
            for partition in range(bus.partitions(topic)):
                for unit_id in _keys(bus, TopicPartition(topic, partition)):
                    if (job_id := unit_id.partition("/")[0]) in found:
                        found[job_id].add(unit_id)
    return {job_id: frozenset(units) for job_id, units in found.items()}


def _keys(bus: Bus, source: TopicPartition) -> Iterable[str]:
    position = 0
    while messages := bus.read(source, start=position, max_records=_SCAN):
        yield from (message.key.decode(errors="replace") for message in messages)
        position = messages[-1].offset + 1
