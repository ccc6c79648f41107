"""Drives all jobs of a cluster in turns. It may be killed at any time, and need not be alone (U5)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, Protocol

import structlog

from pairmill.bus.port import Bus, Consumer
from pairmill.clock import Clock
from pairmill.errors import RetriableError
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.outage import Outage
from pairmill.units import LEDGER_TOPIC
from pairmill_gateway.attendance import Attendance
from pairmill_gateway.book import Book, JobEntry
from pairmill_gateway.chores import Chores
from pairmill_gateway.cluster_job import ClusterJob
from pairmill_gateway.conductor import Means, published_units
from pairmill_gateway.driver import STATUS_SECONDS, finish_job
from pairmill_gateway.indexing import Indexing
from pairmill_gateway.job_bus import JobBus, SharedPages
from pairmill_gateway.job_records import swept_message
from pairmill_gateway.ports import Finisher, StatusSink
from pairmill_gateway.repose import Repose
from pairmill_gateway.running import RunningJobs
from pairmill_gateway.trimming import LedgerTrimming
from pairmill_protos.job.v1.job_pb2 import JobSwept

log = structlog.get_logger(__name__)

GROUP: Final = "gateway"
_LIVE_SECONDS: Final = 60.0
_IGNORED_RECORDS: Final = 1


class Workshop(Protocol):
    """What it takes to work on a job's dataset."""

    def means(self, entry: JobEntry, bus: Bus) -> Means:
        """Returns what acting for the job takes, over the bus as the job sees it."""
        ...

    def finisher(self, entry: JobEntry) -> Finisher:
        """Returns who writes the dataset's last files."""
        ...

    def sweep(self, entry: JobEntry) -> None:
        """Removes the leavings of a job that has ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsLoopSettings:
    """How a gateway works."""

    member: str
    poll_seconds: float = 0.25  # longest pause between two looks where the bus does not tell of news
    calm_seconds: float = 2.0  # where it does
    sweep_again_seconds: float = 86_400.0  # after a job's end, for what stages wrote late (U4)
    absent_after_seconds: float = 1800.0  # without members of a group, before its jobs are blocked (U17)
    keeps_ledger: bool = False  # also what no job needs any more (U19)
    chores_at_once: int = 2


class JobsLoop:
    """Turns the running jobs, finishes and sweeps those that are over."""

    def __init__(
        self,
        settings: JobsLoopSettings,
        *,
        bus: Bus,
        book: Book,
        running: RunningJobs,
        workshop: Workshop,
        clock: Clock,
        sink: StatusSink,
        checkpoints: Checkpoints,
        indexing: Indexing | None = None,
    ) -> None:
        """Without `indexing` nobody is asked for indices."""
        self._settings = settings
        self._bus = bus
        self._book = book
        self._running = running
        self._workshop = workshop
        self._clock = clock
        self._sink = sink
        self._checkpoints = checkpoints
        self._indexing = indexing
        self._pages = SharedPages(bus)
        self._attendance = Attendance(bus, clock, settings.absent_after_seconds)
        self._trimming = LedgerTrimming(bus, book, clock)
        self._chores = Chores(clock, settings.chores_at_once, lambda: self._wake())
        self._outage = Outage(clock)
        self._owned: frozenset[int] = frozenset()  # partitions of the ledger
        self._generation: int | None = None
        self._swept_once: set[str] = set()
        self._next_status = 0.0
        self._stop = threading.Event()
        self._wake: Callable[[], None] = lambda: None
        self._last_turn = clock.monotonic()
        self._repose = Repose(settings.poll_seconds, settings.calm_seconds, self._have_told)

    def request_stop(self) -> None:
        """Asks for a stop; what is under way is repeated by the next gateway. Safe in a signal handler."""
        self._stop.set()
        self._wake()

    def is_live(self) -> str | None:
        """Returns a problem if the loop has not turned for a minute."""
        silent = self._clock.monotonic() - self._last_turn
        return f"the loop has not turned for {silent:.0f} s" if silent > _LIVE_SECONDS else None

    def is_ready(self) -> str | None:
        """Returns why jobs are not driven, or None."""
        if self._outage.reason is not None:
            return self._outage.reason
        return None if self._running.is_open else "the topic of jobs has not been read yet"

    def run(self) -> int:
        """Works until stopped; returns 0."""
        with self._bus.consumer(
            group=GROUP, topics=(LEDGER_TOPIC,), member=self._settings.member
        ) as consumer:
            self._wake = consumer.wake
            while not self._stop.is_set():
                self._last_turn = self._clock.monotonic()
                happened = self.turn()
                is_behind = any(not job.has_caught_up for job in self._running.jobs())
                self.claim(consumer, self._repose.after(happened=happened, is_behind=is_behind))
        return 0

    def claim(self, consumer: Consumer, seconds: float) -> None:
        """Stays in the group, and rests: the ledger is read elsewhere, what is delivered is ignored."""
        try:
            consumer.poll(max_records=_IGNORED_RECORDS, timeout_seconds=seconds)
            if consumer.generation() != self._generation:
                self._generation = consumer.generation()
                self._owned = frozenset(source.partition for source in consumer.assignment())
                log.info("ledger_partitions_assigned", partitions=sorted(self._owned))
            consumer.pause(consumer.assignment())
        except RetriableError as error:
            self._note_outage(error)
            self._clock.sleep(self._settings.poll_seconds)

    def _have_told(self) -> bool:
        """Has the rest ended by what is written to the ledger or said of jobs; returns whether it will be."""
        if self._outage.reason is not None:
            return False
        try:
            return self._bus.watch({**self._book.places(), **self._pages.ends}, self._tell)
        except RetriableError as error:
            self._note_outage(error)
            return False

    def _tell(self) -> None:
        self._repose.told()
        self._wake()

    def own(self, partitions: frozenset[int]) -> None:
        """Acts for the jobs of these ledger partitions from now on."""
        self._owned = partitions

    def turn(self) -> bool:
        """Gives every job a turn; returns whether anything happened."""
        if not self._outage.may_try():
            return False
        try:
            happened = self._work()
        except RetriableError as error:
            self._note_outage(error)
            return False
        self._outage.over()
        return happened

    def _work(self) -> bool:
        news = self._book.catch_up()
        self._pages.next_round()
        entries = self._book.entries()
        self._take_up([entry for entry in entries if entry.is_running])
        happened = [self._turn_of(job) for job in self._running.jobs()]
        self._attendance.look(frozenset(group for job in self._running.jobs() for group in job.groups))
        shared = self._share_out()
        ended = self._chores.collect()
        for entry in entries:
            if not entry.is_running:
                self._clean_up(entry)
        self._have_indexed(entries)
        if not self._settings.keeps_ledger:
            self._trimming.apply(self._owned)
        self._show()
        return bool(news or ended or shared or any(happened))

    def _take_up(self, entries: list[JobEntry]) -> None:
        """Takes new jobs up and lets those go that have ended: of them their end is left in memory."""
        for entry in entries:
            if entry.job_id not in self._running:
                bus = JobBus(self._bus, self._pages, entry.admitted.ledger_offset)
                self._running.add(ClusterJob(entry, self._workshop.means(entry, bus), bus, self._attendance))
        for job in self._running.keep_only({entry.job_id for entry in entries}):
            self._show_end(job)
        self._running.is_open = True

    def _turn_of(self, job: ClusterJob) -> bool:
        """A job that cannot be driven does not hold up the others."""
        entry = self._book.get(job.job_id)
        if entry is None or not job.may_try() or self._chores.is_at_work(_finishing(job.job_id)):
            return False
        try:
            happened = job.turn(entry)
        except RetriableError:  # bus or store are away, for all of them
            raise
        except Exception as error:  # whatever a job's data does, it does to this job alone
            log.error("job_stumbled", job=job.job_id, exc_info=error)
            job.stumble(error)
            return False
        job.trouble = self._chores.trouble(_finishing(job.job_id))
        if job.is_over and job.is_acting:
            self._chores.start(_finishing(job.job_id), lambda: self._finish(job, entry))
        return happened

    def _finish(self, job: ClusterJob, entry: JobEntry) -> None:
        finish_job(job.follower(), self._workshop.finisher(entry), self._bus, self._checkpoints)

    def _share_out(self) -> int:
        """Acts for the jobs whose ledger partition is owned, once their ledger has been read.

        Returns for how many more.
        """
        begin = []
        for job in self._running.jobs():
            is_own = job.entry.admitted.ledger_partition in self._owned
            if is_own and job.has_caught_up and not job.is_acting:
                begin.append(job)
            elif job.is_acting and not is_own:
                job.leave_off()
        published = published_units(self._bus, [job.job_id for job in begin])
        for job in begin:
            job.begin(published[job.job_id])
        return len(begin)

    def _clean_up(self, entry: JobEntry) -> None:
        """Sweeps after the end, and again a day later for what zombies wrote meanwhile (U4)."""
        if entry.swept or entry.admitted.ledger_partition not in self._owned:
            return
        if self._is_last_sweep(entry):
            self._chores.start(_sweeping(entry.job_id), lambda: self._sweep_for_good(entry))
        elif entry.job_id not in self._swept_once:
            self._chores.start(_sweeping(entry.job_id), lambda: self._sweep_once(entry))

    def _have_indexed(self, entries: list[JobEntry]) -> None:
        """Looks after the indices of what was finished; nothing of the jobs depends on them."""
        if self._indexing is None:
            return
        for entry in self._indexing.due(entries, self._owned):
            self._chores.start(f"index-{entry.job_id}", partial(self._indexing.look, entry))

    def _is_last_sweep(self, entry: JobEntry) -> bool:
        wait = timedelta(seconds=self._settings.sweep_again_seconds)
        return entry.ended_at is not None and self._bus.now() >= entry.ended_at + wait

    def _sweep_once(self, entry: JobEntry) -> None:
        self._workshop.sweep(entry)
        self._swept_once.add(entry.job_id)

    def _sweep_for_good(self, entry: JobEntry) -> None:
        self._workshop.sweep(entry)
        self._bus.publish([swept_message(self._bus, JobSwept(job_id=entry.job_id))])
        self._swept_once.discard(entry.job_id)

    def _show(self) -> None:
        if self._clock.monotonic() < self._next_status:
            return
        self._next_status = self._clock.monotonic() + STATUS_SECONDS
        for job in self._running.jobs():
            if (status := job.status()) is not None:
                self._sink.show(status)

    def _show_end(self, job: ClusterJob) -> None:
        entry, status = self._book.get(job.job_id), job.last_status
        if entry is not None and entry.ended is not None and status is not None:
            self._sink.show(replace(status, state=entry.ended.state, blocked="", blocked_group=""))

    def _note_outage(self, error: RetriableError) -> None:
        self._outage.note(error)
        log.warning("dependency_away", error=self._outage.reason)


def _finishing(job_id: str) -> str:
    return f"finish-{job_id}"


def _sweeping(job_id: str) -> str:
    return f"sweep-{job_id}"
