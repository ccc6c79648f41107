"""The one consumer loop of all services: read a task, work, effect, ledger, commit (U2).

One thread owns the consumer and everything on this page; handlers run in worker threads. The loop
polls on while units are at work, so that the group keeps it; partitions whose units wait are paused.
Only the contiguous prefix of finished offsets is committed, after every acknowledgement.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from pairmill.bus.port import Bus, Consumer, Message, TopicPartition
from pairmill.clock import Clock
from pairmill.errors import InvalidRecordError, ObjectMissingError, RetriableError
from pairmill.stage.attempt import AttemptEnd, Fault, new_context, run_attempt
from pairmill.stage.breaker import Backoff, Breaker
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.hand import PendingEffect, UnitInHand
from pairmill.stage.messages import (
    done_effect,
    failed_message,
    parse_task,
    poison_messages,
    progress_message,
)
from pairmill.stage.observer import StageObserver
from pairmill.stage.offsets import OffsetTracker
from pairmill.stage.outage import Outage
from pairmill.stage.port import Handler
from pairmill.stage.signs import SignsOfLife
from pairmill.stage.specs import SpecCache, due_at
from pairmill.stage.standing import Registry, Standing
from pairmill.store.port import ObjectStore
from pairmill.units import new_attempt

log = structlog.get_logger(__name__)

_POLL_RECORDS = 64
_LIVE_SECONDS = 60.0
GAVE_UP = 3
"""Exit code of a stage that ended because it cannot do its work here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How a stage consumes."""

    group: str
    topics: tuple[str, ...]
    member: str
    scratch: Path  # folder for the attempts' private folders
    units_in_flight: int = 2
    waiting_per_partition: int = 4  # with so many tasks in hand a partition is paused
    poll_seconds: float = 0.2
    progress_seconds: float = 2.0  # least time between two signs of life of a unit
    stop_seconds: float = 20.0  # what is not finished this long after a stop stays uncommitted
    give_up_seconds: float | None = None  # end after so long an outage; None waits for ever


class StageLoop:
    """Runs a handler over its topics until told to stop."""

    def __init__(
        self,
        settings: LoopSettings,
        handler: Handler,
        *,
        bus: Bus,
        store: ObjectStore,
        registry: Registry,
        clock: Clock,
        observer: StageObserver,
        checkpoints: Checkpoints,
    ) -> None:
        self._settings = settings
        self._handler = handler
        self._bus = bus
        self._store = store
        self._registry = registry
        self._clock = clock
        self._observer = observer
        self._checkpoints = checkpoints
        self._specs = SpecCache(store)
        self._signs = SignsOfLife(clock, settings.progress_seconds)
        self._breaker = Breaker(clock, handler.self_test)
        self._outage = Outage(clock)
        self._tracker = OffsetTracker()
        self._unread: deque[Message] = deque()
        self._poison: list[tuple[Message, InvalidRecordError]] = []
        self._hand: list[UnitInHand] = []
        self._stop = threading.Event()
        self._abandon = threading.Event()
        self._stopped_at: float | None = None
        self._last_turn = clock.monotonic()
        self.gave_up = ""

    def request_stop(self) -> None:
        """Asks for a clean stop; a second call abandons the work in hand. Safe in a signal handler."""
        if self._stop.is_set():
            self._abandon.set()
        self._stop.set()

    def is_live(self) -> str | None:
        """Returns a problem if the loop has not turned for a minute."""
        silent = self._clock.monotonic() - self._last_turn
        return f"the loop has not turned for {silent:.0f} s" if silent > _LIVE_SECONDS else None

    def is_ready(self) -> str | None:
        """Returns why the stage takes no work, or None."""
        return f"breaker: {self._breaker.reason}" if self._breaker.is_open else self._outage.reason

    def run(self) -> int:
        """Works until stopped; returns 0, or `GAVE_UP` for the reason in `gave_up`."""
        settings = self._settings
        workers = ThreadPoolExecutor(settings.units_in_flight, "unit")
        try:
            with self._bus.consumer(
                group=settings.group, topics=settings.topics, member=settings.member
            ) as consumer:
                generation = -1
                while not self._finished():
                    self._last_turn = self._clock.monotonic()
                    self._unread.extend(self._poll(consumer))
                    if consumer.generation() != generation:
                        generation = consumer.generation()
                        self._reassign(consumer)
                    self._turn(consumer, workers)
        finally:
            for unit in self._hand:
                unit.cut_off()
            workers.shutdown(wait=not self._hand, cancel_futures=True)
        return GAVE_UP if self.gave_up else 0

    # One turn

    def _poll(self, consumer: Consumer) -> list[Message]:
        busy = any(unit.ended or unit.effect for unit in self._hand)
        timeout = 0.0 if busy else self._settings.poll_seconds
        try:
            return list(consumer.poll(max_records=_POLL_RECORDS, timeout_seconds=timeout))
        except RetriableError as error:
            self._outage.note(error)
            self._clock.sleep(self._settings.poll_seconds)
            return []

    def _turn(self, consumer: Consumer, workers: ThreadPoolExecutor) -> None:
        self._collect()
        try:
            self._publish_effects()
            self._commit(consumer)
            if self._stop.is_set():
                self._wind_down()
            else:
                self._read_tasks()
                self._start(workers)
            self._publish_signs()
            self._observer.lag(consumer.lag())
            if not any(unit.backoff.failures for unit in self._hand):
                self._outage.over()
        except RetriableError as error:
            self._outage.note(error)
        self._pause_full_partitions(consumer)
        self._observer.units_in_flight(sum(unit.future is not None for unit in self._hand))
        self._observer.paused("dependency", self._outage.reason is not None)
        self._observer.paused("breaker", self._breaker.is_open)
        self._consider_giving_up()

    def _reassign(self, consumer: Consumer) -> None:
        """Goes on with the partitions that came back; cuts off the units of the others (U10)."""
        owned = consumer.assignment()
        self._tracker.keep_only(owned)
        self._unread = deque(message for message in self._unread if message.source in owned)
        self._poison = [poison for poison in self._poison if poison[0].source in owned]
        kept = []
        for unit in self._hand:
            if unit.source not in owned:
                unit.cut_off()
            if unit.source in owned or unit.future is not None or unit.effect is not None:
                kept.append(unit)  # a late answer needs no ownership
        self._hand = kept
        log.info("partitions_assigned", partitions=len(owned), group=self._settings.group)

    def _read_tasks(self) -> None:
        """Turns delivered messages into units in hand; what is no task is set aside as poison."""
        while self._unread:
            message = self._unread[0]
            try:
                task = parse_task(message, self._handler.stage)
                spec = self._specs.get(task.spec)
            except (InvalidRecordError, ObjectMissingError) as error:
                if self._tracker.deliver(message.source, message.offset):
                    self._poison.append((message, InvalidRecordError(str(error))))
                self._unread.popleft()
                continue
            if self._tracker.deliver(message.source, message.offset):
                unit = UnitInHand(
                    message=message,
                    task=task,
                    spec=spec,
                    due_at=due_at(message, task, spec),
                    backoff=Backoff(self._clock),
                )
                self._hand.append(unit)
            self._unread.popleft()

    def _start(self, workers: ThreadPoolExecutor) -> None:
        self._breaker.retest()
        free = self._settings.units_in_flight - sum(unit.future is not None for unit in self._hand)
        if free <= 0 or self._breaker.is_open or not self._outage.may_try():
            return
        now = self._clock.now()
        chosen = [unit for unit in self._hand if unit.startable(now)][:free]
        if not chosen:
            return
        standings = self._registry.ask([unit.task for unit in chosen])
        wanted = [
            (unit, standing)
            for unit, standing in zip(chosen, standings, strict=True)
            if self._is_wanted(unit, standing)
        ]
        self._start_all(wanted, workers)

    def _is_wanted(self, unit: UnitInHand, standing: Standing) -> bool:
        if not standing.wanted:
            self._observer.unit_ended("unwanted", 0.0)
            self._finish(unit)
        return standing.wanted

    def _start_all(self, units: list[tuple[UnitInHand, Standing]], workers: ThreadPoolExecutor) -> None:
        for unit, standing in units:
            unit.context = new_context(
                unit.task,
                unit.spec,
                store=self._store,
                scratch_root=self._settings.scratch,
                isolated=standing.isolate,
                report_progress=self._signs.reporter(unit.task.unit_id),
            )
        self._bus.publish(
            [
                progress_message(self._bus, unit.task, unit.context.attempt, started=True)
                for unit, _ in units
                if unit.context is not None
            ]
        )  # starts are acknowledged before work, or they could not count crashes (U13)
        for unit, _ in units:
            if unit.context is not None:
                self._checkpoints.passed("before_work")
                unit.future = workers.submit(run_attempt, self._handler, unit.context, self._clock)

    # What becomes of an attempt

    def _collect(self) -> None:
        for unit in [unit for unit in self._hand if unit.ended]:
            if unit.future is None or unit.context is None:
                continue
            end = unit.future.result()
            unit.future = None
            self._signs.forget(unit.task.unit_id)
            if end.result is not None:
                self._succeed(unit, end)
            else:
                self._fail(unit, end)

    def _succeed(self, unit: UnitInHand, end: AttemptEnd) -> None:
        if unit.context is None or end.result is None:
            return
        unit.backoff.succeed()
        unit.effect = done_effect(self._bus, unit.context, end.result, end.started_at, end.finished_at)
        self._observer.unit_ended("done", end.seconds)

    def _fail(self, unit: UnitInHand, end: AttemptEnd) -> None:
        facts = {"unit": unit.task.unit_id, "error": f"{type(end.error).__name__}: {end.error}"}
        match end.fault:
            case Fault.CUT_OFF:
                self._observer.unit_ended("cut_off", end.seconds)
                unit.backoff.fail()
            case Fault.ENVIRONMENT:
                log.warning("unit_waits_for_environment", **facts)
                self._observer.unit_ended("retried", end.seconds)
                unit.backoff.fail()
                self._outage.note(end.error)
            case Fault.STAGE:
                log.error("stage_unfit", **facts)
                unit.backoff.fail()
                self._breaker.open(str(end.error))
                if self._settings.give_up_seconds is not None:
                    self.gave_up = str(end.error)
            case _:
                self._blame_unit(unit, end, facts)

    def _blame_unit(self, unit: UnitInHand, end: AttemptEnd, facts: dict[str, str]) -> None:
        """A unit that raised is blamed only if known-good work still succeeds (U13, U14)."""
        if end.error is None or unit.context is None or not self._breaker.test():
            log.error("self_test_failed", reason=self._breaker.reason, **facts)
            unit.backoff.fail()
            return
        log.error("unit_failed", exc_info=end.error, **facts)
        self._observer.unit_ended("failed", end.seconds)
        fact = failed_message(self._bus, unit.task, unit.context.attempt, end.error)
        unit.effect = PendingEffect(attachments={}, follow_ups=[], facts=[fact], tally={}, is_failure=True)

    # Making it durable

    def _publish_effects(self) -> None:
        for unit in [unit for unit in self._hand if unit.effect is not None]:
            if unit.effect is not None:
                self._publish(unit.effect)
                self._finish(unit)
                self._observer.rows(unit.effect.tally)
                log.info("unit_ended", unit=unit.task.unit_id, failed=unit.effect.is_failure)
        while self._poison:
            message, error = self._poison[0]
            letters = poison_messages(self._bus, message, self._handler.stage, new_attempt(), error)
            self._bus.publish(letters)
            log.error("poison_message", topic=message.topic, offset=message.offset, error=str(error))
            self._tracker.finish(message.source, message.offset)
            self._observer.unit_ended("poison", 0.0)
            self._poison.pop(0)

    def _publish(self, effect: PendingEffect) -> None:
        self._checkpoints.passed("before_failure" if effect.is_failure else "after_objects")
        for key, data in effect.attachments.items():
            self._store.put(key, data)
        if effect.follow_ups:
            self._bus.publish(effect.follow_ups)
        self._checkpoints.passed("after_follow_ups")
        self._bus.publish(effect.facts)
        self._checkpoints.passed("after_record")

    def _finish(self, unit: UnitInHand) -> None:
        self._tracker.finish(unit.source, unit.message.offset)
        self._hand.remove(unit)

    def _commit(self, consumer: Consumer) -> None:
        commits = self._tracker.take_commits()
        if commits:
            consumer.commit(commits)
            self._checkpoints.passed("after_commit")

    def _publish_signs(self) -> None:
        due = self._signs.due()
        signs = [
            progress_message(
                self._bus,
                unit.task,
                unit.context.attempt,
                started=False,
                done=due[unit.task.unit_id][0],
                rows=due[unit.task.unit_id][1],
            )
            for unit in self._hand
            if unit.context is not None and unit.task.unit_id in due
        ]
        if signs:
            self._bus.publish(signs)

    # Backpressure and ends

    def _pause_full_partitions(self, consumer: Consumer) -> None:
        owned = consumer.assignment()
        full: frozenset[TopicPartition] = frozenset(
            source
            for source in owned
            if self._tracker.in_hand(source) >= self._settings.waiting_per_partition
        )
        consumer.pause(full)
        consumer.resume(owned - full)

    def _wind_down(self) -> None:
        """Stops new work; units at work end with what they have, the rest stays uncommitted."""
        if self._stopped_at is None:
            self._stopped_at = self._clock.monotonic()
            log.info("stop_requested", in_hand=len(self._hand))
        for unit in self._hand:
            unit.cut_off()
        self._hand = [unit for unit in self._hand if unit.future is not None or unit.effect is not None]

    def _finished(self) -> bool:
        if self._abandon.is_set() or self.gave_up:
            return True
        if self._stopped_at is None:
            return False
        overdue = self._clock.monotonic() - self._stopped_at > self._settings.stop_seconds
        return not self._hand or overdue

    def _consider_giving_up(self) -> None:
        limit = self._settings.give_up_seconds
        if limit is None:
            return
        if self._breaker.is_open and self._breaker.open_seconds >= limit:
            self.gave_up = self._breaker.reason
        elif self._outage.seconds >= limit and self._outage.reason is not None:
            self.gave_up = self._outage.reason
