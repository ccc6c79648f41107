"""The indexer's loop: one task at a time in a worker, the offset committed when its index serves.

Index tasks are no units: they have no spec, no ledger and no follow-ups, and nothing counts them. So the
loop of the stages is not theirs; this one is made of the same parts and keeps the same rules of a consumer:
one thread owns it, it polls on while a build is at work, and only what is finished is committed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from pairmill.bus.port import Bus, Consumer, Message, TopicPartition
from pairmill.clock import Clock
from pairmill.errors import InvalidRecordError, RetriableError
from pairmill.stage.breaker import Backoff, Breaker
from pairmill.stage.health import LoopHealth
from pairmill.stage.messages import dead_letter
from pairmill.stage.observer import StageObserver
from pairmill.stage.offsets import OffsetTracker
from pairmill.stage.outage import Outage
from pairmill.stage.workers import start_work
from pairmill.units import STAGE_TOPICS
from pairmill_indexer.change import Indexed
from pairmill_indexer.ports import Builder, IndexObserver
from pairmill_indexer.reporting import StepReporter
from pairmill_indexer.tasks import GROUP, parse_task
from pairmill_indexer.verdicts import Fate, Refusal, fate_of
from pairmill_protos.index.v1.index_pb2 import IndexTask
from pairmill_protos.unit.v1.unit_pb2 import Stage

log = structlog.get_logger(__name__)

TOPICS: Final = STAGE_TOPICS[Stage.STAGE_INDEX]
_POLL_RECORDS: Final = 16
_LAG_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLoopSettings:
    """How an indexer consumes."""

    member: str
    max_attempts: int = 3  # builds that die or fail for no known reason, before a task is set aside
    poll_seconds: float = 0.5  # longest wait for messages
    stop_seconds: float = 20.0  # what is not finished this long after a stop stays uncommitted
    max_silence_seconds: float = 300.0  # longer without a delivery although messages wait is not live


@dataclass(slots=True, kw_only=True)
class _Held:
    """A task in hand."""

    message: Message
    task: IndexTask
    backoff: Backoff
    failures: int = 0  # deaths and errors of no known reason


@dataclass(slots=True, kw_only=True)
class _Build:
    """A build at work."""

    held: _Held
    started: float
    cut_off: threading.Event = field(default_factory=threading.Event)
    future: Future[Indexed]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Letter:
    """A message that is to be set aside."""

    message: Message
    reason: Refusal
    error: str


class IndexLoop:
    """Works on index tasks until told to stop."""

    def __init__(
        self,
        settings: IndexLoopSettings,
        builder: Builder,
        *,
        bus: Bus,
        clock: Clock,
        stage: StageObserver,
        observer: IndexObserver,
    ) -> None:
        self._settings = settings
        self._builder = builder
        self._bus = bus
        self._clock = clock
        self._stage = stage
        self._observer = observer
        self._outage = Outage(clock)
        never_open = Breaker(clock, lambda: None)  # a build that fails is its dataset's fault, or retried
        self._health = LoopHealth(clock, never_open, self._outage, settings.max_silence_seconds)
        self._backoff = Backoff(clock)  # between two tries at making things durable
        self._tracker = OffsetTracker()
        self._hand: list[_Held] = []
        self._letters: deque[_Letter] = deque()
        self._build: _Build | None = None
        self._paused: frozenset[TopicPartition] | None = None  # None: not known
        self._generation: int | None = None
        self._wake: Callable[[], None] = lambda: None  # ends the poll under way
        self._lag_at = -_LAG_SECONDS
        self._stop = threading.Event()
        self._abandon = threading.Event()
        self._stopped_at: float | None = None

    def request_stop(self) -> None:
        """Asks for a clean stop; a second call does not wait for a build. Safe in a signal handler."""
        if self._stop.is_set():
            self._abandon.set()
        self._stop.set()
        self._wake()

    def is_live(self) -> str | None:
        """Returns why the process should be started again, or None."""
        return self._health.is_live()

    def is_ready(self) -> str | None:
        """Returns why no task is worked on, or None."""
        return self._health.is_ready()

    def run(self) -> int:
        """Works until stopped; returns 0."""
        try:
            with self._bus.consumer(group=GROUP, topics=TOPICS, member=self._settings.member) as consumer:
                self._wake = consumer.wake
                while not self._finished():
                    self._health.turned()
                    self._poll(consumer)
                    self._turn(consumer)
        finally:
            if self._build is not None:
                self._build.cut_off.set()
        return 0

    # One turn

    def _poll(self, consumer: Consumer) -> None:
        try:
            messages = consumer.poll(max_records=_POLL_RECORDS, timeout_seconds=self._settings.poll_seconds)
            self._take(messages)
            self._health.delivered(messages)
            if consumer.generation() != self._generation:
                self._reassign(consumer.assignment())
                self._generation = consumer.generation()
                self._health.joined()
        except RetriableError as error:
            self._health.failed(error)
            self._clock.sleep(self._settings.poll_seconds)

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
        self._pause(consumer)
        self._stage.units_in_flight(int(self._build is not None))
        self._stage.paused("dependency", self._outage.reason is not None)

    def _advance(self, consumer: Consumer) -> None:
        """All that needs the bus. It may raise RetriableError anywhere, and is then tried again."""
        self._collect()
        self._set_aside()
        self._commit(consumer)
        if not self._stop.is_set():
            self._start()
        if self._clock.monotonic() - self._lag_at >= _LAG_SECONDS:
            self._lag_at = self._clock.monotonic()
            lag = consumer.lag()
            self._stage.lag(lag)
            self._health.looked(lag, set(self._tracker.in_hand()))
        if not any(held.backoff.failures for held in self._hand):
            self._outage.over()

    def _pause(self, consumer: Consumer) -> None:
        """Of a partition one batch is held at a time: there is no hurry to have more."""
        held = frozenset(self._tracker.in_hand())
        if held == self._paused:
            return
        consumer.pause(held)
        consumer.resume(consumer.assignment() - held)
        self._paused = held

    def _reassign(self, owned: frozenset[TopicPartition]) -> None:
        """Drops what belongs to others now; a build of theirs is cut off, theirs begins where it ended."""
        self._tracker.keep_only(owned)
        self._letters = deque(letter for letter in self._letters if letter.message.source in owned)
        self._hand = [held for held in self._hand if held.message.source in owned]
        if self._build is not None and self._build.held not in self._hand:
            self._build.cut_off.set()
        self._paused = None
        log.info("partitions_assigned", partitions=len(owned), group=GROUP)

    # From messages to builds

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if not self._tracker.deliver(message.source, message.offset):
                continue
            try:
                task = parse_task(message)
            except InvalidRecordError as error:
                self._refuse(message, Refusal.INVALID_RECORD, str(error))
                continue
            self._hand.append(_Held(message=message, task=task, backoff=Backoff(self._clock)))

    def _start(self) -> None:
        ready = [held for held in self._hand if held.backoff.ready()]
        if self._build is not None or not ready or not self._outage.may_try():
            return
        held = ready[0]
        cut_off = threading.Event()
        report = StepReporter(self._observer, self._clock, dataset=held.task.dataset)
        work = partial(self._builder.build, held.task, cut_off, report)
        log.info("index_change_started", **_facts(held.task))
        future = start_work(work, f"index-{held.task.job_id}")
        future.add_done_callback(lambda _: self._wake())
        self._build = _Build(held=held, started=self._clock.monotonic(), cut_off=cut_off, future=future)

    # What becomes of a build

    def _collect(self) -> None:
        build = self._build
        if build is None or not build.future.done():
            return
        self._build = None
        self._observer.step(0, 0)
        seconds = self._clock.monotonic() - build.started
        error = build.future.exception()
        if error is None:
            self._succeed(build.held, build.future.result(), seconds)
        else:
            self._fail(build.held, error, seconds)

    def _succeed(self, held: _Held, found: Indexed, seconds: float) -> None:
        self._stage.unit_ended("unwanted" if found.change == "none" else "done", seconds)
        self._observer.indexed(found.change, seconds, found.recall)
        if found.merge_refused is not None:
            self._observer.merge_refused(found.merge_refused)
        log.info(
            "index_up_to_date",
            change=found.change,
            index_version=found.version,
            rows=found.rows,
            seconds=round(seconds, 1),
            **_facts(held.task),
        )
        self._tracker.finish(held.message.source, held.message.offset)
        self._hand = [other for other in self._hand if other is not held]

    def _fail(self, held: _Held, error: BaseException, seconds: float) -> None:
        fate, reason = fate_of(error)
        said = f"{type(error).__name__}: {error}"
        if fate is Fate.AGAIN:
            held.failures += 1
            log.error("index_build_failed", error=said, failures=held.failures, **_facts(held.task))
            if held.failures >= self._settings.max_attempts:
                fate, reason = Fate.REFUSE, Refusal.BUILD_FAILED
        if fate is Fate.REFUSE and reason is not None:
            self._stage.unit_ended("failed", seconds)
            self._refuse(held.message, reason, said)
            self._hand = [other for other in self._hand if other is not held]
            return
        self._stage.unit_ended("cut_off" if fate is Fate.CUT_OFF else "retried", seconds)
        held.backoff.fail()
        if fate is Fate.WAIT:
            log.warning("index_waits_for_environment", error=said, **_facts(held.task))
            self._outage.note(error)

    def _refuse(self, message: Message, reason: Refusal, error: str) -> None:
        self._letters.append(_Letter(message=message, reason=reason, error=error))

    # Making it durable

    def _set_aside(self) -> None:
        while self._letters:
            letter = self._letters[0]
            message, reason = letter.message, letter.reason
            self._bus.publish([dead_letter(self._bus, message, letter.error, reason=reason.value)])
            log.error(
                "message_set_aside",
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                reason=reason.value,
                error=letter.error,
            )
            if reason is Refusal.INVALID_RECORD:
                self._stage.unit_ended("poison", 0.0)
            self._observer.refused(reason)
            self._tracker.finish(message.source, message.offset)
            self._letters.popleft()

    def _commit(self, consumer: Consumer) -> None:
        commits = self._tracker.commits()
        if commits:
            consumer.commit(commits)
            self._tracker.committed(commits)
            self._stage.committed(commits)

    # Ends

    def _wind_down(self) -> None:
        """A build is cut off; its task stays uncommitted, and whoever gets it goes on where it ended."""
        if self._stopped_at is None:
            self._stopped_at = self._clock.monotonic()
            log.info("stop_requested", in_hand=len(self._hand))
        if self._build is not None:
            self._build.cut_off.set()

    def _finished(self) -> bool:
        if self._abandon.is_set():
            return True
        if self._stopped_at is None:
            return False
        overdue = self._clock.monotonic() - self._stopped_at > self._settings.stop_seconds
        return self._build is None or overdue


def _facts(task: IndexTask) -> dict[str, str]:
    return {"job": task.job_id, "dataset": task.dataset, "dataset_version": task.dataset_version}
