"""The one consumer loop of all services: read a task, work, effect, ledger, commit (U2).

One thread owns the consumer and everything on this page; handlers run in worker threads. The loop
polls on while units are at work, so that the group keeps it; partitions whose units wait are paused.
Only the contiguous prefix of finished offsets is committed, after every acknowledgement.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import structlog

from pairmill.bus.port import Bus, Consumer, TopicPartition
from pairmill.clock import Clock
from pairmill.errors import RetriableError
from pairmill.stage.announcer import Announcer
from pairmill.stage.attempt import AttemptEnd, Fault, new_context, run_attempt
from pairmill.stage.backpressure import Backpressure
from pairmill.stage.breaker import Backoff, Breaker
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.commits import Commits
from pairmill.stage.datasets import dataset_store
from pairmill.stage.hand import PendingEffect, UnitInHand
from pairmill.stage.health import LoopHealth
from pairmill.stage.intake import Intake
from pairmill.stage.messages import done_effect, failed_message, poison_messages
from pairmill.stage.observer import StageObserver
from pairmill.stage.offsets import OffsetTracker
from pairmill.stage.outage import Outage
from pairmill.stage.port import Handler, PartitionsListener, TenureHolder
from pairmill.stage.publishing import EffectPublisher
from pairmill.stage.signs import SignsOfLife
from pairmill.stage.standing import Registry, Standing
from pairmill.stage.tenure import Tenure
from pairmill.stage.workers import start_work
from pairmill.store.port import ObjectStore

log = structlog.get_logger(__name__)

_POLL_RECORDS = 64
_LAG_SECONDS = 5.0
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
    poll_seconds: float = 0.2  # longest wait for messages while something else is wrong
    calm_seconds: float = 2.0  # longest wait while nothing but what wakes the loop can be news
    commit_seconds: float = 1.0  # from one commit to the next
    progress_seconds: float = 2.0  # least time between two signs of life of a unit
    stop_seconds: float = 20.0  # what is not finished this long after a stop stays uncommitted
    give_up_seconds: float | None = None  # end after so long an outage; None waits for ever
    most_silence_seconds: float = 5.0  # between two turns, before ownership is in doubt (U10)
    max_silence_seconds: float = 300.0  # longer without a delivery although messages wait is not live


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
        self._signs = SignsOfLife(clock, settings.progress_seconds)
        self._breaker = Breaker(clock, handler.self_test)
        self._outage = Outage(clock)
        self._health = LoopHealth(clock, self._breaker, self._outage, settings.max_silence_seconds)
        self._backoff = Backoff(clock)  # between two tries at making things durable
        self._tenure = Tenure(clock, settings.most_silence_seconds)
        if isinstance(handler, TenureHolder):
            handler.hold_tenure(self._tenure.holds)
        self._tracker = OffsetTracker()
        self._intake = Intake(handler.stage, settings.group, store, self._tracker, clock)
        self._announcer = Announcer(bus, self._signs)
        self._publisher = EffectPublisher(bus, store, checkpoints)
        self._commits = Commits(self._tracker, clock, observer, checkpoints, settings.commit_seconds)
        self._backpressure = Backpressure(settings.waiting_per_partition, self._tracker, self._intake)
        self._hand: list[UnitInHand] = []
        self._generation: int | None = None
        self._owned: frozenset[TopicPartition] = frozenset()
        self._wake: Callable[[], None] = lambda: None  # ends the poll under way
        self._lag_at = -_LAG_SECONDS
        self._stop = threading.Event()
        self._abandon = threading.Event()
        self._stopped_at: float | None = None
        self.gave_up = ""

    def request_stop(self) -> None:
        """Asks for a clean stop; a second call abandons the work in hand. Safe in a signal handler."""
        if self._stop.is_set():
            self._abandon.set()
        self._stop.set()
        self._wake()

    def held(self) -> int:
        """Returns how many tasks are in hand or unread."""
        return len(self._hand) + self._intake.unread().total()

    def is_live(self) -> str | None:
        """Returns why the process should be started again, or None."""
        return self._health.is_live()

    def is_ready(self) -> str | None:
        """Returns why the stage takes no work, or None."""
        return self._health.is_ready()

    def run(self) -> int:
        """Works until stopped; returns 0, or `GAVE_UP` for the reason in `gave_up`."""
        settings = self._settings
        try:
            with self._bus.consumer(
                group=settings.group, topics=settings.topics, member=settings.member
            ) as consumer:
                self._wake = consumer.wake
                while not self._finished():
                    self._health.turned()
                    self._tenure.turned()
                    self._poll(consumer)
                    self._turn(consumer)
        finally:
            for unit in self._hand:
                unit.cut_off()
        return GAVE_UP if self.gave_up else 0

    # One turn

    def _poll(self, consumer: Consumer) -> None:
        try:
            messages = consumer.poll(max_records=_POLL_RECORDS, timeout_seconds=self._patience())
            self._intake.take(messages)
            self._health.delivered(messages)
            if consumer.generation() != self._generation:
                self._reassign(consumer.assignment())
                self._generation = consumer.generation()
                self._health.joined()
                self._tenure.renewed()
            self._tenure.settle(consumer, self._tracker)
        except RetriableError as error:
            self._health.failed(error)
            self._clock.sleep(self._settings.poll_seconds)

    def _patience(self) -> float:
        """For how long a poll may wait for messages: until the next thing that nothing wakes the loop for."""
        settings = self._settings
        troubled = self._backoff.failures or self._breaker.is_open or self._outage.reason is not None
        if troubled or self._stop.is_set() or not self._tenure.holds():
            return settings.poll_seconds
        if any(unit.ended or unit.effect for unit in self._hand):
            return 0.0
        calm = min(settings.calm_seconds, settings.most_silence_seconds / 2)
        waiting = [unit for unit in self._hand if unit.is_waiting]
        if waiting and len(self._hand) - len(waiting) < settings.units_in_flight:
            now, monotonic = self._bus.now(), self._clock.monotonic()
            calm = min(calm, *(unit.startable_in(now, monotonic) for unit in waiting))
        return min(calm, self._commits.due_in)

    def _turn(self, consumer: Consumer) -> None:
        if self._stop.is_set():
            self._wind_down()
        if self._backoff.ready() or self._stop.is_set():
            try:
                self._advance(consumer)
                self._backoff.succeed()
            except RetriableError as error:
                self._health.failed(error)
                self._backoff.fail()
        self._backpressure.apply(consumer)
        self._observer.units_in_flight(sum(unit.at_work for unit in self._hand))
        self._observer.paused("dependency", self._outage.reason is not None)
        self._observer.paused("breaker", self._breaker.is_open)
        self._consider_giving_up()

    def _advance(self, consumer: Consumer) -> None:
        """All that needs bus and store. It may raise RetriableError anywhere, and is then tried again."""
        self._collect()
        self._publish_effects()
        self._publish_poison()
        self._commits.apply(consumer, at_once=self._stop.is_set())
        if not self._stop.is_set():
            self._read()
            self._start()
        self._announcer.progress(self._hand)
        self._announcer.give_back()
        if self._clock.monotonic() - self._lag_at >= _LAG_SECONDS:
            self._lag_at = self._clock.monotonic()
            lag = consumer.lag()
            self._observer.lag(lag)
            self._health.looked(lag, {*self._tracker.in_hand(), *self._intake.unread()})
        if not any(unit.backoff.failures for unit in self._hand):
            self._outage.over()

    def _reassign(self, owned: frozenset[TopicPartition]) -> None:
        """Goes on with the partitions that came back; cuts off the units of the others (U10)."""
        self._tracker.keep_only(owned)
        self._intake.keep_only(owned)
        for unit in self._hand:
            if unit.source not in owned:
                unit.lost = True
                unit.cut_off()
        self._drop_idle([unit for unit in self._hand if unit.lost])
        self._backpressure.reassigned()
        if owned - self._owned and isinstance(self._handler, PartitionsListener):
            self._handler.partitions_gained()
        self._owned = owned
        log.info("partitions_assigned", partitions=len(owned), group=self._settings.group)

    def _drop_idle(self, units: list[UnitInHand]) -> None:
        """Gives units back unless they still may answer, which needs no ownership."""
        for unit in units:
            if not unit.at_work and unit.effect is None:
                self._announcer.note_given_back(unit)
                self._hand.remove(unit)

    def _read(self) -> None:
        self._intake.read(self._hand)
        while self._intake.passed_over:
            self._intake.passed_over -= 1
            self._observer.unit_ended("unwanted", 0.0)

    def _start(self) -> None:
        self._breaker.retest()
        free = self._settings.units_in_flight - sum(unit.at_work for unit in self._hand)
        if free <= 0 or self._breaker.is_open or not self._outage.may_try():
            return
        now, monotonic = self._bus.now(), self._clock.monotonic()
        startable = (
            unit for unit in self._hand if unit.is_waiting and unit.startable_in(now, monotonic) == 0
        )
        chosen = list(islice(startable, free))
        if not chosen:
            return
        standings = self._registry.ask([unit.task for unit in chosen])
        wanted = [
            (unit, standing)
            for unit, standing in zip(chosen, standings, strict=True)
            if self._is_wanted(unit, standing)
        ]
        self._start_all(wanted)

    def _is_wanted(self, unit: UnitInHand, standing: Standing) -> bool:
        if not standing.wanted:
            self._observer.unit_ended("unwanted", 0.0)
            self._finish(unit)
        return standing.wanted

    def _start_all(self, units: list[tuple[UnitInHand, Standing]]) -> None:
        contexts = [
            new_context(
                unit.task,
                unit.spec,
                store=dataset_store(self._store, unit.task.dataset),
                scratch_root=self._settings.scratch,
                isolated=standing.isolate,
                report_progress=self._signs.reporter(unit.task.unit_id),
            )
            for unit, standing in units
        ]
        chosen = [(unit, context) for (unit, _), context in zip(units, contexts, strict=True)]
        self._announcer.starts(chosen)
        for unit, context in chosen:
            unit.context = context
            self._checkpoints.passed("before_work")
            work = partial(run_attempt, self._handler, context, self._clock)
            unit.future = start_work(work, f"unit-{context.attempt}")
            unit.future.add_done_callback(lambda _: self._wake())

    # What becomes of an attempt

    def _collect(self) -> None:
        for unit in [unit for unit in self._hand if unit.ended]:
            if unit.future is None or unit.context is None:
                continue
            end = unit.future.result()
            self._signs.forget(unit.task.unit_id)
            if end.result is not None:
                self._succeed(unit, end)
            else:
                self._fail(unit, end)
            unit.future = None  # last: what raised above is tried again with the same result
        self._drop_idle([unit for unit in self._hand if unit.lost])

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
                self._observer.unit_ended("retried", end.seconds)
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
            self._observer.unit_ended("retried", end.seconds)
            unit.backoff.fail()
            return
        log.error("unit_failed", exc_info=end.error, **facts)
        self._observer.unit_ended("failed", end.seconds)
        fact = failed_message(self._bus, unit.task, unit.context.attempt, end.error)
        unit.effect = PendingEffect(attachments={}, follow_ups=[], facts=[fact], tally={}, is_failure=True)

    # Making it durable

    def _publish_effects(self) -> None:
        ended = [(unit, unit.effect) for unit in self._hand if unit.effect is not None]
        self._publisher.publish([unit for unit, _ in ended])
        for unit, effect in ended:
            self._finish(unit)
            self._observer.rows(effect.tally)
            self._observer.stored(effect.outputs)
            log.info("unit_ended", unit=unit.task.unit_id, failed=effect.is_failure)

    def _publish_poison(self) -> None:
        while self._intake.poison:
            message, error = self._intake.poison[0].message, self._intake.poison[0].error
            self._bus.publish(poison_messages(self._bus, message, self._handler.stage, error))
            log.error("message_set_aside", topic=message.topic, offset=message.offset, error=str(error))
            self._tracker.finish(message.source, message.offset)
            self._observer.unit_ended("poison", 0.0)
            self._intake.poison.popleft()

    def _finish(self, unit: UnitInHand) -> None:
        self._tracker.finish(unit.source, unit.message.offset)
        self._hand.remove(unit)

    # Ends

    def _wind_down(self) -> None:
        """Stops new work; units at work end with what they have, the rest stays uncommitted."""
        if self._stopped_at is None:
            self._stopped_at = self._clock.monotonic()
            log.info("stop_requested", in_hand=len(self._hand))
        for unit in self._hand:
            unit.cut_off()
        self._drop_idle(list(self._hand))

    def _finished(self) -> bool:
        if self._abandon.is_set() or self.gave_up:
            return True
        if self._stopped_at is None:
            return False
        overdue = self._clock.monotonic() - self._stopped_at > self._settings.stop_seconds
        return not (self._hand or self._announcer.owes) or overdue

    def _consider_giving_up(self) -> None:
        if self._settings.give_up_seconds is not None:
            self.gave_up = self.gave_up or self._health.trouble_after(self._settings.give_up_seconds)
