"""Shows by what records a job is complete, or why not."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import structlog

from pairmill.bus.port import Message, TopicPartition
from pairmill.dataset.funnel import IN, closing_rows
from pairmill.dataset.ledger_file import LedgerRow, is_for_file, read_ledger
from pairmill.dataset.manifest import FunnelRow
from pairmill.dataset.reader import Dataset
from pairmill.dataset.versions import current_manifest
from pairmill.ledger.follower import JobFollower
from pairmill.ledger.walk import Closing
from pairmill.rpc.callers import Caller
from pairmill.stage.datasets import dataset_store
from pairmill.stage.messages import JOB_HEADER, UNIT_HEADER
from pairmill.units import DEAD_LETTERS_TOPIC, STAGE_TOPICS
from pairmill_gateway.book import JobEntry
from pairmill_gateway.cluster_job import ClusterJob
from pairmill_gateway.desk import Desk
from pairmill_gateway.finisher import job_records
from pairmill_gateway.new_versions import repair_of
from pairmill_gateway.rpc.ports import Page, WrongStateError
from pairmill_gateway.submission import Submissions
from pairmill_gateway.views import STAGES, count_of, stage_label
from pairmill_protos.common.v1.outcome_pb2 import Count, Outcome
from pairmill_protos.gateway.v1.audit_service_pb2 import (
    DeadLetter,
    FunnelStage,
    GetFunnelResponse,
    ListDeadLettersResponse,
    ListOpenUnitsResponse,
    ListOrphansResponse,
    OpenUnit,
    Orphan,
    ReplayDeadLettersResponse,
)
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, Stage, UnitTask

log = structlog.get_logger(__name__)

T = TypeVar("T")

Place: TypeAlias = tuple[int, ...]
"""Where an item of a list stands: places of a list compare, and do not change."""

_BATCH: Final = 1000
_GIVEN_UP: Final = 0
_UNREAD: Final = 1


class AuditDesk:
    """Implements `rpc.ports.Audits`. Thread-safe. Some answers read a whole ledger: they are for people."""

    def __init__(self, desk: Desk, submissions: Submissions, scratch: Path) -> None:
        """`scratch` is a folder for what a repair is put together from."""
        self._desk = desk
        self._submissions = submissions
        self._scratch = scratch

    def funnel(self, job_id: str, caller: Caller) -> GetFunnelResponse:
        """Returns the funnel as of now."""
        entry = self._desk.entry(job_id, caller)
        if entry.ended is not None:
            return _funnel_of_manifest(self._desk.manifest(entry).manifest.funnel)
        with self._desk.job(entry).held() as follower:
            return _funnel_of_walk(follower)

    def open_units(
        self, job_id: str, stage: Stage.ValueType, page: Page, caller: Caller
    ) -> ListOpenUnitsResponse:
        """Returns open units, the oldest first: in the order in which they became expected."""
        entry = self._desk.entry(job_id, caller)
        if entry.ended is not None:
            return ListOpenUnitsResponse()
        job = self._desk.job(entry)
        with job.held() as follower:
            found, after = _page_of(_open_ids(follower, stage), page)
            tasks = [follower.walk.open_task(unit_id) for unit_id in found]
            units = [_open_unit(job, follower, task) for task in tasks if task is not None]
        return ListOpenUnitsResponse(units=units, next_page_token=after)

    def orphans(self, job_id: str, page: Page, caller: Caller) -> ListOrphansResponse:
        """Returns records that count for nothing, in ledger order; as far as the ledger still holds them."""
        entry = self._desk.entry(job_id, caller)
        is_orphan = self._is_orphan(entry)
        start = max(entry.admitted.ledger_offset, _place_after(page))
        orphans = (
            ((place,), _orphan(place, record))
            for place, record in job_records(self._desk.bus, job_id, start)
            if is_orphan(place, record)
        )
        found, after = _page_of(orphans, page)
        return ListOrphansResponse(orphans=found, next_page_token=after)

    def dead_letters(self, job_id: str, page: Page, caller: Caller) -> ListDeadLettersResponse:
        """Returns units that were given up, or, without a job, records that could not be read."""
        entry = self._desk.entry(job_id, caller) if job_id else None
        given_up = () if entry is None else self._units_given_up(entry)
        found, after = _page_of(chain(given_up, self._unread_records(job_id)), page)
        return ListDeadLettersResponse(letters=found, next_page_token=after)

    def replay(self, job_id: str, fork: bool, caller: Caller) -> ReplayDeadLettersResponse:
        """Admits a repair of what was given up; its rows replace those of the base (U16)."""
        entry = self._desk.entry(job_id, caller)
        if entry.ended is None:
            raise WrongStateError(f"job {job_id} has not ended; only an ended one can be repaired")
        source = self._desk.files_of(entry)
        current = current_manifest(source)
        if current is None or current.job_id != job_id:
            newest = current.job_id if current is not None else "none"
            raise WrongStateError(f"the dataset's current version is {newest}; replay that one")
        child = self._child(entry)
        if child and not fork:
            raise WrongStateError(
                f"job {child} makes a new version of {job_id} already; fork to make another"
            )
        store = dataset_store(self._desk.store, entry.admitted.dataset)
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="again-", dir=self._scratch) as folder:
            dataset = Dataset(source, self._desk.manifest(entry))
            version = repair_of(dataset, store, Path(folder), frozenset(), failed=False, tenant=caller.tenant)
        if version is None:
            raise WrongStateError(f"job {job_id} has no dead letters")
        admitted, _ = self._submissions.admit(version.admission, caller, entry.admitted.dataset)
        log.info("repair_admitted", job=admitted.job_id, base=job_id, rows=version.rows, caller=caller.name)
        return ReplayDeadLettersResponse(job_id=admitted.job_id, rows=version.rows)

    def _child(self, base: JobEntry) -> str:
        """Returns a job that is making a new version of a base; empty if there is none."""
        folder = base.admitted.dataset
        others = (entry for entry in self._desk.book.entries() if entry.job_id != base.job_id)
        return next(
            (entry.job_id for entry in others if entry.is_running and entry.admitted.dataset == folder), ""
        )

    def _is_orphan(self, entry: JobEntry) -> Callable[[int, LedgerRecord], bool]:
        """Returns what says of a record that it counts for nothing: the walk, or a finished ledger file."""
        if entry.ended is not None:
            places = {row.seq for row in self._ledger_file(entry)}
            return lambda place, _: place not in places
        job = self._desk.job(entry)

        def is_orphan(place: int, record: LedgerRecord) -> bool:
            with job.held() as follower:
                return not is_for_file(follower.walk, place, record) and not _may_count(follower, record)

        return is_orphan

    def _units_given_up(self, entry: JobEntry) -> Iterator[tuple[Place, DeadLetter]]:
        """Yields them by their places in the ledger, which the ledger as a file has, too."""
        if entry.ended is not None:
            for row in closing_rows(self._ledger_file(entry)):
                if row.kind == "failed":
                    stage = Stage.Value(f"STAGE_{row.stage.upper()}")
                    letter = DeadLetter(unit_id=row.unit_id, stage=stage, rows=row.rows_in, error=row.error)
                    yield (_GIVEN_UP, 0, row.seq), letter
            return
        job = self._desk.job(entry)
        for place, record in job_records(self._desk.bus, entry.job_id, entry.admitted.ledger_offset):
            with job.held() as follower:
                has_closed = follower.walk.is_counted(place, record)
            if has_closed and record.WhichOneof("record") == "failed":
                failed = record.failed
                error = f"{failed.error_class}: {failed.error}"
                letter = DeadLetter(unit_id=failed.unit_id, stage=failed.stage, rows=failed.rows, error=error)
                yield (_GIVEN_UP, 0, place), letter

    def _ledger_file(self, entry: JobEntry) -> Iterator[LedgerRow]:
        if entry.ended is not None:
            with self._desk.files_of(entry).local(entry.ended.ledger.key) as path:
                yield from read_ledger(path)

    def _unread_records(self, job_id: str) -> Iterator[tuple[Place, DeadLetter]]:
        """Yields them by their places on the topic of dead letters, behind all units."""
        bus = self._desk.bus
        for partition in range(bus.partitions(DEAD_LETTERS_TOPIC)):
            source, position = TopicPartition(DEAD_LETTERS_TOPIC, partition), 0
            while messages := bus.read(source, start=position, max_records=_BATCH):
                position = messages[-1].offset + 1
                for message in messages:
                    if dict(message.headers).get(JOB_HEADER, b"").decode(errors="replace") == job_id:
                        yield (_UNREAD, partition, message.offset), _unread(message)


def _funnel_of_walk(follower: JobFollower) -> GetFunnelResponse:
    walk = follower.walk
    stages: defaultdict[Stage.ValueType, list[Count]] = defaultdict(list)
    for (stage, outcome, reason), rows in sorted(walk.tally.items()):
        stages[stage].append(Count(outcome=outcome, reason=reason, rows=rows))
    problems = [f"{walk.open_count:,} units are open"] if walk.open_count else []
    given_up = sum(units for (_, closing), units in walk.closings.items() if closing is Closing.FAILED)
    if given_up:
        problems.append(f"{given_up:,} units were given up; their rows are dead letters")
    return GetFunnelResponse(
        stages=[_stage(stage, stages[stage]) for stage in STAGES if stages[stage]], problems=problems
    )


def _funnel_of_manifest(funnel: Sequence[FunnelRow]) -> GetFunnelResponse:
    """Returns a funnel that was counted from the data, and where its stages do not balance."""
    counts: defaultdict[str, list[Count]] = defaultdict(list)
    rows_in: dict[str, int] = {}
    for row in funnel:
        if row.outcome == IN:
            rows_in[row.stage] = row.count
        else:
            counts[row.stage].append(count_of(row))
    problems, stages = [], []
    for stage in STAGES:
        label = stage_label(stage)
        if label not in rows_in:
            continue
        stages.append(FunnelStage(stage=stage, rows_in=rows_in[label], counts=counts[label]))
        total = sum(count.rows for count in counts[label])
        if total != rows_in[label]:
            problems.append(f"{label}: {rows_in[label]:,} rows in, {total:,} accounted for")
    return GetFunnelResponse(stages=stages, problems=problems)


def _stage(stage: Stage.ValueType, counts: list[Count]) -> FunnelStage:
    """Rows that a unit handed on to one of its own stage are counted where they end."""
    ended = [count for count in counts if count.outcome != Outcome.OUTCOME_HANDED_ON]
    return FunnelStage(stage=stage, rows_in=sum(count.rows for count in ended), counts=ended)


def _open_ids(follower: JobFollower, stage: Stage.ValueType) -> Iterator[tuple[Place, str]]:
    """Yields the open units of a stage; no task is parsed: there may be a hundred thousand of them."""
    for order, unit_id, at in follower.walk.open_in_order():
        if stage in (Stage.STAGE_UNSPECIFIED, at):
            yield (order,), unit_id


def _open_unit(job: ClusterJob, follower: JobFollower, task: UnitTask) -> OpenUnit:
    progress = follower.last_progress.get(task.unit_id)
    return OpenUnit(
        unit_id=task.unit_id,
        stage=task.stage,
        rows=task.rows,
        age_seconds=job.open_since.age_seconds(task.unit_id),
        starts=follower.starts(task.unit_id, task.input_digest),
        rows_done=progress.rows_done if progress is not None else 0,
        failures=follower.walk.failures(task.unit_id),
    )


def _orphan(place: int, record: LedgerRecord) -> Orphan:
    match record.WhichOneof("record"):
        case "done":
            done = record.done
            found = Orphan(unit_id=done.unit_id, attempt=done.attempt, offset=place)
            if done.HasField("finished_at"):
                found.finished_at.CopyFrom(done.finished_at)
            return found
        case "failed":
            failed = record.failed
            return Orphan(unit_id=failed.unit_id, attempt=failed.attempt, offset=place, failed=True)
        case _:
            return Orphan(offset=place)  # a cancel that came too late


def _may_count(follower: JobFollower, record: LedgerRecord) -> bool:
    """Whether a record is of a unit that is open, or not expected yet."""
    match record.WhichOneof("record"):
        case "done":
            return follower.walk.is_wanted(record.done.unit_id, record.done.input_digest)
        case "failed":
            return follower.walk.is_wanted(record.failed.unit_id, record.failed.input_digest)
        case _:
            return False


def _unread(message: Message) -> DeadLetter:
    facts = {name: value.decode(errors="replace") for name, value in message.headers}
    topic = facts.get("dlq-topic", "")
    stages = [stage for stage, topics in STAGE_TOPICS.items() if topic in topics]
    return DeadLetter(
        unit_id=facts.get(UNIT_HEADER, ""),
        stage=stages[0] if stages else Stage.STAGE_UNSPECIFIED,
        error=facts.get("dlq-error", ""),
        source="/".join((topic, facts.get("dlq-partition", ""), facts.get("dlq-offset", ""))),
    )


def _page_of(items: Iterable[tuple[Place, T]], page: Page) -> tuple[list[T], str]:
    """Returns the items of a page, and the place of its last one if there are more behind it.

    Items come in the order of their places. What has gone since the page before does not matter: the
    next one begins behind the place where that ended.
    """
    after = _parsed(page.after)
    found = list(islice((item for item in items if item[0] > after), page.size + 1))
    shown = found[: page.size]
    return [item for _, item in shown], _written(shown[-1][0]) if len(found) > page.size else ""


def _place_after(page: Page) -> int:
    """Returns the first number that may follow, in a list whose places are one number."""
    return max(_parsed(page.after), default=-1) + 1


def _written(place: Place) -> str:
    return "/".join(map(str, place))


def _parsed(text: str) -> Place:
    """Returns a place; nothing lies before the empty one."""
    return tuple(map(int, text.split("/"))) if text else ()
