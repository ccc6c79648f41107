"""The exports of an explorer, one after the other in a thread of its own.

What is to be exported stands in the datasets' stores, so an explorer that starts anew goes on with what was
not complete. Several explorers may be at the same export: they write the same bytes.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from pairmill.clock import Clock
from pairmill.errors import CorruptObjectError, ObjectMissingError, PairmillError, RetriableError
from pairmill_explorer.datasets.registry import Datasets
from pairmill_explorer.datasets.served import ServedDataset, Snapshot
from pairmill_explorer.errors import RequestError
from pairmill_explorer.subsets.exports.job import End, EndRecord, ExportJob, JobShelf
from pairmill_explorer.subsets.exports.meter import Meter, Standing
from pairmill_explorer.subsets.exports.sweep import ExportSweeper
from pairmill_explorer.subsets.exports.work import ExportEndedError, Work
from pairmill_explorer.subsets.recipe import checked, recipe_from_json
from pairmill_index.layout import version_key
from pairmill_index.manifest import Current
from pairmill_index.opened import OpenIndex, open_index
from pairmill_index.workplace import workplace

_log = structlog.get_logger()

DELAYS: Final = (1.0, 5.0, 20.0, 60.0, 120.0)
"""Pauses before an export is tried again whose store or disk was away; after the last it has failed."""

_WORKPLACES: Final = ".work"  # no dataset is called that
_LOOK_SECONDS: Final = 2.0
_END_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 30.0  # then datasets are looked for that came, or that were away


class _StoppedError(Exception):
    """The export is not to go on: it was cancelled, or the explorer ends."""


@dataclass(slots=True)
class _Entry:
    served: ServedDataset
    job: ExportJob
    meter: Meter
    running: bool = False
    cancelled: bool = False
    asked_again: bool = False  # while it was in the line: perhaps after its end was noted
    trouble: str = ""
    looked_at: float = field(default=0.0)


class ExportLine:
    """Carries out exports. Thread-safe."""

    def __init__(
        self,
        datasets: Datasets,
        *,
        scratch: Path,
        clock: Clock,
        delays: Sequence[float] = DELAYS,
        takes_up: bool = True,
        ended: Callable[[EndRecord], None] = lambda end: None,
    ) -> None:
        """Starts nothing yet. `scratch` is a folder of its own; `takes_up` goes on with what others began.

        `ended` is told how each export ended that this line brought to its end.
        """
        self._delays = delays
        self._takes_up = takes_up
        self._ended = ended
        self._took_up = False
        self._taken_up: set[str] = set()
        self._datasets = datasets
        self._scratch = scratch
        self._clock = clock
        self._sweeper = ExportSweeper(clock)
        self._changed = threading.Condition()
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="exports", daemon=True)

    def start(self) -> None:
        """Goes on with what was not complete, then takes what is submitted."""
        self._thread.start()

    def close(self) -> None:
        """Stops; what is at work is cut off and gone on with by the next explorer."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)

    def submit(self, served: ServedDataset, job: ExportJob) -> None:
        """Queues an export, unless it is queued."""
        key = (served.name, job.export_id)
        with self._changed:
            if (entry := self._entries.get(key)) is not None:
                entry.asked_again = True
                return
            self._entries[key] = _Entry(served, job, Meter(self._clock))
            self._changed.notify_all()

    def standing(self, dataset: str, export_id: str) -> Standing | None:
        """Returns how far an export is, or None if it is not in this line."""
        with self._changed:
            entry = self._entries.get((dataset, export_id))
            if entry is None:
                return None
            return Standing(
                running=entry.running,
                cancelled=entry.cancelled,
                reading=entry.meter.read(),
                trouble=entry.trouble,
            )

    def cancel(self, dataset: str, export_id: str) -> None:
        """Takes an export out of the line; one that is at work ends soon and removes what it wrote."""
        with self._changed:
            entry = self._entries.get((dataset, export_id))
            if entry is None:
                return
            entry.cancelled = True
            waits = not entry.running
            if waits:
                del self._entries[dataset, export_id]
            self._changed.notify_all()
        if waits:
            self._ended(self._cancelled())

    def workplace(self) -> AbstractContextManager[Path]:
        """Gives a folder on the scratch disk and removes it; what killed processes left there goes too."""
        return workplace(self._scratch / _WORKPLACES)

    @property
    def open_count(self) -> int:
        """Exports that are at work or wait."""
        with self._changed:
            return len(self._entries)

    @property
    def is_busy(self) -> bool:
        """Whether an export waits or is at work, or it is still to be seen what there is to go on with."""
        with self._changed:
            return bool(self._entries) or not self._took_up

    def wait(self, seconds: float) -> None:
        """Returns when an export began or ended here, or after some time."""
        with self._changed:
            self._changed.wait(seconds)

    def _work(self) -> None:
        while not self._stop.is_set():
            if self._takes_up:
                self._take_up()
            self._took_up = True
            if self._takes_up:
                self._sweeper.sweep(self._datasets)
            if (entry := self._next()) is None:
                continue
            self._sweeper.sweep(self._datasets)  # in a process that does one export and goes
            try:
                self._carry_out(entry)
            except Exception as error:  # noqa: BLE001 - the thread's top: other exports go on
                _log.error("export_crashed", export=entry.job.export_id, error=repr(error), exc_info=True)
                self._fail(entry, f"{type(error).__name__}: {error}")
            finally:
                self._let_go(entry)

    def _take_up(self) -> None:
        """Queues what no explorer completed, the oldest first; of each dataset once, when it can be read.

        A cancel that was killed before it had removed all is ended first.
        """
        for served in self._datasets:
            if served.name in self._taken_up:
                continue
            try:
                jobs = _left_over(JobShelf(served.store))
            except PairmillError as error:
                _log.warning("exports_not_listed", dataset=served.name, error=str(error))
                continue
            self._taken_up.add(served.name)
            for job in sorted(jobs, key=lambda job: job.started_at):
                self.submit(served, job)

    def _next(self) -> _Entry | None:
        """Returns the oldest export, None if none came for some time or the line ends."""
        with self._changed:
            if not self._entries and not self._stop.is_set():
                self._changed.wait(_IDLE_SECONDS)
            if not self._entries or self._stop.is_set():
                return None
            entry = next(iter(self._entries.values()))
            entry.running = True
            self._changed.notify_all()
            return entry

    def _carry_out(self, entry: _Entry) -> None:
        """Exports, waiting for what is away; notes how it ended unless the explorer ends before."""
        for delay in (*self._delays, None):
            try:
                self._export_or_remove(entry)
            except _StoppedError:
                pass  # whoever comes next goes on; of a cancelled one nothing is left
            except RetriableError as error:
                entry.trouble = str(error)
                _log.warning("export_waits", export=entry.job.export_id, error=str(error))
                if delay is None:
                    self._fail(entry, str(error))
                elif not self._stop.wait(delay):
                    continue
            except (PairmillError, RequestError) as error:
                self._fail(entry, str(error))
            return

    def _export_or_remove(self, entry: _Entry) -> None:
        """Exports; removes what an export wrote that nobody can go on with, before it has failed (G8)."""
        try:
            self._export(entry)
        except ExportEndedError:
            JobShelf(entry.served.store).remove_files(entry.job.export_id)
            raise

    def _export(self, entry: _Entry) -> None:
        folder = self._scratch / entry.served.name
        with (
            self.workplace() as scratch,
            snapshot_at(entry.served, entry.job.index_version, folder) as snapshot,
        ):
            recipe = recipe_from_json(entry.job.recipe)
            work = Work(
                snapshot=snapshot,
                checked=checked(recipe, snapshot.index.manifest.dimensions, snapshot.rules),
                job=entry.job,
                store=entry.served.store,
                scratch=scratch,
                newest=lambda: _newest(entry.served),
                meter=entry.meter,
                check=lambda: self._check(entry),
                clock=self._clock,
            )
            end = work.run()
            entry.trouble = ""
            self._ended(end)
            _log.info("export_complete", export=entry.job.export_id, rows=end.rows, bytes=end.bytes)

    def _check(self, entry: _Entry) -> None:
        if self._stop.is_set() or entry.cancelled:
            raise _StoppedError
        now = self._clock.monotonic()
        if now - entry.looked_at >= _LOOK_SECONDS:
            entry.looked_at = now
            end = JobShelf(entry.served.store).end(entry.job.export_id)
            if end is not None and end.state is End.CANCELLED:
                entry.cancelled = True
                raise _StoppedError

    def _let_go(self, entry: _Entry) -> None:
        """Takes an export out of the line; a cancel that came before counts, also of one just complete.

        One that was cancelled stays in it, as such, until its files are removed: nobody starts it before.
        """
        key = (entry.served.name, entry.job.export_id)
        with self._changed:
            if not entry.cancelled:
                self._entries.pop(key, None)
                self._changed.notify_all()
        if entry.cancelled:
            self._remove(entry)
            with self._changed:
                self._entries.pop(key, None)
                self._changed.notify_all()
        elif entry.asked_again:
            self._submit_again(entry)

    def _submit_again(self, entry: _Entry) -> None:
        """Queues an export anew that was begun anew between its end and its leaving the line."""
        try:
            if JobShelf(entry.served.store).end(entry.job.export_id) is None:
                self.submit(entry.served, entry.job)
        except PairmillError as error:
            _log.warning("export_not_queued", export=entry.job.export_id, error=str(error))

    def _remove(self, entry: _Entry) -> None:
        """Notes that an export was cancelled and removes what it wrote."""
        end = self._cancelled()
        try:
            JobShelf(entry.served.store).cancel(entry.job, end.ended_at)
        except PairmillError as error:
            _log.error("export_not_removed", export=entry.job.export_id, error=str(error))
        self._ended(end)

    def _cancelled(self) -> EndRecord:
        return EndRecord(state=End.CANCELLED, ended_at=self._clock.now().isoformat())

    def _fail(self, entry: _Entry, error: str) -> None:
        end = EndRecord(state=End.FAILED, ended_at=self._clock.now().isoformat(), error=error)
        try:
            JobShelf(entry.served.store).note_end(entry.job, end)
        except PairmillError as failure:
            _log.error("export_end_not_noted", export=entry.job.export_id, error=str(failure))
        self._ended(end)
        _log.warning("export_failed", export=entry.job.export_id, error=error)


def _left_over(shelf: JobShelf) -> list[ExportJob]:
    """Returns the exports that no explorer completed; removes what is left of those that were cancelled."""
    found = list(shelf.all())
    for head, end in found:
        if end is not None and end.state is End.CANCELLED and shelf.remove_left(head.export_id, end.state):
            _log.info("cancel_finished", export=head.export_id)
    jobs = (shelf.job(head.export_id) for head, end in found if end is None)
    return [job for job in jobs if job is not None]


@contextmanager
def snapshot_at(served: ServedDataset, version: str, folder: Path) -> Iterator[Snapshot]:
    """Gives a dataset with a version of its index, which need not be the one that serves.

    `folder` is for copies where the dataset lies in a bucket. Raises ExportEndedError where the version is
    gone.
    """
    with served.use() as snapshot:
        if snapshot.index.version == version:
            yield snapshot
            return
        try:
            index = open_index(served.store, folder, current=_named(served, version))
        except ObjectMissingError as error:
            raise ExportEndedError(
                f"index version {version} is not there any more; start the export again"
            ) from error
        with index:
            yield replace(snapshot, index=index)


def _named(served: ServedDataset, version: str) -> Current:
    """Returns a version by its name, which is the beginning of its manifest's digest."""
    digest = hashlib.sha256(served.store.get(version_key(version))).hexdigest()
    if not digest.startswith(version):
        raise CorruptObjectError(f"{version_key(version)} does not have the digest that it is named by")
    return Current(version=version, sha256=digest)


@contextmanager
def _newest(served: ServedDataset) -> Iterator[OpenIndex]:
    served.refresh()
    with served.use() as snapshot:
        yield snapshot.index
