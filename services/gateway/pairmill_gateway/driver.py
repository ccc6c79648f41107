"""Drives one job: follows its ledger, hands out what waits for a wave or phase, heals, finishes."""

from __future__ import annotations

import time
from collections import deque

import structlog

from pairmill.bus.port import Bus, TopicPartition
from pairmill.clock import Clock
from pairmill.ledger.barriers import Expected
from pairmill.ledger.follower import JobFollower, loader
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.messages import task_message
from pairmill.store.port import ObjectStore
from pairmill.units import STAGE_TOPICS
from pairmill_gateway.ends import end_message, find_end
from pairmill_gateway.handout import HandOut
from pairmill_gateway.healing import Healer
from pairmill_gateway.ports import Finisher, StatusSink
from pairmill_gateway.retention import Retention
from pairmill_gateway.status import JobStatus, status_of
from pairmill_protos.job.v1.job_pb2 import JobEnded
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage, UnitTask

log = structlog.get_logger(__name__)

_HEAL_SECONDS = 2.0
_STATUS_SECONDS = 0.5
_SIGNS_SECONDS = 0.5  # signs of life show in the status and stay healing, neither of which is in a hurry
_SCAN = 1000
_HANDED_OUT = (Stage.STAGE_CRAWL, Stage.STAGE_PLAN, Stage.STAGE_FINALISE)


class JobDriver:
    """Any number of drivers may act on a job: all they do may be done twice (U5)."""

    def __init__(
        self,
        spec_ref: ObjectRef,
        *,
        bus: Bus,
        store: ObjectStore,
        clock: Clock,
        finisher: Finisher,
        sink: StatusSink,
        reissue_after_seconds: float,
        checkpoints: Checkpoints,
        retention: Retention | None = None,
    ) -> None:
        """`retention` is for a bus that does not forget by itself."""
        self._bus = bus
        self._store = store
        self._clock = clock
        self._finisher = finisher
        self._sink = sink
        self._checkpoints = checkpoints
        self._retention = retention
        self._follower = JobFollower(bus, store, spec_ref)
        self._follower.catch_up()
        self._again = sum(task.rows for task in self._follower.root.repair_tasks(loader(store)))
        self._hand_out = HandOut(self._follower.walk)
        self._healer = Healer(bus, self._follower.root.spec, clock, reissue_after_seconds)
        self._published = published_units(bus, self._follower.root.spec.job_id)
        self._resumed_at = self._follower.last_place()
        self._unwatched: deque[Expected] = deque()  # handed out by a stage, not noted by the healer yet
        self._next_signs = 0.0
        self._next_heal = 0.0
        self._next_status = 0.0
        self._has_news = True  # since the status was shown last
        self.ended: JobEnded | None = find_end(bus, self._follower.root.spec.job_id)

    @property
    def status(self) -> JobStatus:
        """The job's status as of the last step."""
        walk = self._follower.walk
        blocked = walk.blocked(after=self._resumed_at)
        state = self.ended.state if self.ended else "blocked" if blocked else walk.state.value
        return status_of(self._follower, state, self._hand_out.waiting, blocked, self._again)

    def step(self) -> bool:
        """Does what can be done now; returns whether anything happened."""
        fed = self._follower.catch_up()
        signs = self._hear_signs()
        self._unwatched.extend(self._hand_out.add(self._follower.walk.take_expected()))
        while self._unwatched:
            self._watch(self._unwatched[0].task)
            self._unwatched.popleft()
        published = self._publish(self._hand_out.take())
        walk = self._follower.walk
        for task in walk.take_failed():
            self._hand_out_again(task)
        self._heal()
        if (walk.finished or walk.cancelled) and self.ended is None:
            self._finish()
        self._has_news |= bool(fed or published or signs)
        self._show()
        return bool(fed or published)

    def _hear_signs(self) -> int:
        """Reads the new signs of life, if it is time; returns how many there were."""
        if self._clock.monotonic() < self._next_signs:
            return 0
        signs = self._follower.catch_up_progress()
        for progress in signs:
            self._healer.sign_of_life(progress.unit_id)
        if self._retention is not None:
            self._retention.apply(self._follower.progress_needed_from())
        self._next_signs = self._clock.monotonic() + _SIGNS_SECONDS
        return len(signs)

    def _publish(self, units: list[Expected]) -> int:
        """Publishes units that are open and were not published before a restart."""
        published = 0
        for position, unit in enumerate(units):
            if not self._is_open(unit.task):
                continue
            try:
                for key, data in unit.attachments.items():
                    self._store.put(key, data)
                if unit.task.unit_id not in self._published:
                    self._send(unit.task)
                    published += 1
                self._watch(unit.task)
            except Exception:
                self._hand_out.put_back(units[position:])
                raise
        return published

    def _send(self, task: UnitTask) -> None:
        self._bus.publish([task_message(self._bus, task, self._follower.root.spec)])
        self._checkpoints.passed("after_hand_out")

    def _watch(self, task: UnitTask) -> None:
        if self._is_open(task):
            self._healer.note(task)

    def _is_open(self, task: UnitTask) -> bool:
        entry = self._follower.walk.entry(task.unit_id)
        return entry is not None and entry.closing is None

    def _heal(self) -> None:
        if self._clock.monotonic() < self._next_heal:
            return
        self._next_heal = self._clock.monotonic() + _HEAL_SECONDS
        for task in self._healer.lost(list(self._follower.walk.open_units())):
            self._hand_out_again(task)

    def _hand_out_again(self, task: UnitTask) -> None:
        log.warning("unit_handed_out_again", unit=task.unit_id)
        self._send(task)
        self._healer.note(task)

    def _finish(self) -> None:
        log.info("work_finished", cpu_seconds=round(time.process_time(), 3))
        ended = self._finisher.finish(self._follower)
        self._bus.publish([end_message(self._bus, ended)])
        self._checkpoints.passed("after_end")
        self.ended, self._has_news = ended, True
        log.info("job_ended", job=ended.job_id, state=ended.state)

    def _show(self) -> None:
        if not self._has_news or (self.ended is None and self._clock.monotonic() < self._next_status):
            return
        self._next_status = self._clock.monotonic() + _STATUS_SECONDS
        self._follower.forget_closed()
        self._sink.show(self.status)
        self._has_news = False


def published_units(bus: Bus, job_id: str) -> frozenset[str]:
    """Returns the units of a job whose tasks a gateway published before, as far as still on the bus.

    A restarted gateway leaves those alone; if one of them got lost, healing finds out (U5).
    """
    prefix = f"{job_id}/"
    found: set[str] = set()
    for stage in _HANDED_OUT:
        for topic in STAGE_TOPICS[stage]:
            for partition in range(bus.partitions(topic)):
                found.update(_keys(bus, TopicPartition(topic, partition)))
    return frozenset(unit_id for unit_id in found if unit_id.startswith(prefix))


def _keys(bus: Bus, source: TopicPartition) -> list[str]:
    keys: list[str] = []
    position = 0
    while messages := bus.read(source, start=position, max_records=_SCAN):
        keys.extend(message.key.decode(errors="replace") for message in messages)
        position = messages[-1].offset + 1
    return keys
