"""The download unit: rows in, a shard and follow-ups out (U9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from pairmill.clock import Clock
from pairmill.errors import CutOffError
from pairmill.stage.port import Tally, UnitContext, UnitResult
from pairmill.units import MAX_RETRY_ROUNDS
from pairmill_downloader.crew import Crew, Means, Orders
from pairmill_downloader.ends import Ended, HandedOn, Round, TargetEnd
from pairmill_downloader.engine import Engine
from pairmill_downloader.follow_ups import (
    deadline_seconds,
    embed_task,
    has_lost_patience,
    put_off_task,
    retry_task,
)
from pairmill_downloader.permit import Permit
from pairmill_downloader.ports import DownloadObserver, Examiner
from pairmill_downloader.rows import read_rows, write_rest
from pairmill_downloader.shards.spill import ImageSpill
from pairmill_downloader.shards.writer import ShardFacts, write_shard
from pairmill_downloader.targets import Target, targets_of
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage, UnitTask


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadParts:
    """What download units are worked with."""

    engine: Engine
    examiner: Examiner
    observer: DownloadObserver
    clock: Clock
    check_examiner: Callable[[], None]  # raises unless known images give known results
    permit: Permit = field(default_factory=Permit)  # to ask hosts; the network asks it too


@dataclass(slots=True, kw_only=True)
class _Effects:
    """What a unit stores and leads to."""

    outputs: list[ObjectRef] = field(default_factory=list)
    follow_ups: list[UnitTask] = field(default_factory=list)


class DownloadHandler:
    """Downloads the rows of a unit. Thread-safe: units share the network and the decoders.

    A unit in isolation is worked on like any other: foreign bytes are never decoded in this process.
    """

    stage: Stage.ValueType = Stage.STAGE_DOWNLOAD

    def __init__(self, parts: DownloadParts) -> None:
        self._parts = parts

    def handle(self, context: UnitContext) -> UnitResult:
        """Returns the shard of what ended and the units that go on with the rest.

        Raises CutOffError when cut off before any row came to an end, RetriableError when the network is
        away.
        """
        table = read_rows(context)
        started_at = self._parts.clock.now()
        with ImageSpill(context.scratch / "images") as spill:
            ends, was_cut_off = self._work(context, targets_of(table), spill)
            by_row = _by_row(ends)
            if was_cut_off:
                _require_any(by_row)
            ended = {row: end for row, end in by_row.items() if isinstance(end, Ended)}
            effects = _Effects()
            if ended:
                self._store_shard(context, table, ended, spill, started_at, effects)
        rest = {row: end for row, end in by_row.items() if isinstance(end, HandedOn)}
        _hand_on(context, table, rest, effects, cut_off=was_cut_off)
        return UnitResult(
            rows_in=len(table),
            tally=_tally(by_row),
            outputs=effects.outputs,
            follow_ups=effects.follow_ups,
        )

    def partitions_gained(self) -> None:
        """Treats every host as just contacted: another process may have been at it (U10)."""
        self._parts.engine.treat_all_as_contacted()

    def hold_tenure(self, holds: Callable[[], bool]) -> None:
        """No request starts while the partitions may be another's (U10)."""
        self._parts.permit.ask = holds

    def self_test(self) -> None:
        """Examines known images in the child processes (U14)."""
        self._parts.check_examiner()

    def close(self) -> None:
        """Ends connections and child processes."""
        self._parts.engine.close()
        self._parts.examiner.close()

    def _work(
        self, context: UnitContext, targets: list[Target], spill: ImageSpill
    ) -> tuple[list[TargetEnd], bool]:
        """Returns how every URL ended, and whether the unit was cut off."""
        parts = self._parts
        unit_id, rules = context.task.unit_id, context.spec.download
        crew = Crew(
            orders=Orders(
                download=rules,
                image=context.spec.image,
                place=_round(context),
                deadline_seconds=deadline_seconds(unit_id, rules),
            ),
            means=Means(
                network=parts.engine.network(),
                examiner=parts.examiner,
                observer=parts.observer,
                monotonic=parts.clock.monotonic,
            ),
            spill=spill,
        )
        was_cut_off = parts.engine.run(
            crew,
            targets,
            cut_off=context.cut_off,
            tick=lambda: context.report_progress(len(crew.ends), len(targets)),
        )
        if was_cut_off:
            parts.engine.treat_all_as_contacted()
        lost_patience = not was_cut_off and has_lost_patience(unit_id, rules)
        ends = (crew.ends.get(target.url) or crew.left(target) for target in targets)
        return [_given_up(end) if lost_patience else end for end in ends], was_cut_off

    def _store_shard(
        self,
        context: UnitContext,
        table: pa.Table,
        ended: Mapping[int, Ended],
        spill: ImageSpill,
        started_at: datetime,
        effects: _Effects,
    ) -> None:
        facts = ShardFacts(
            retry_round=context.task.input.download.retry_round,
            extension=context.spec.image.encode_format,
            started_at=started_at,
            ended_at=self._parts.clock.now(),
        )
        files = write_shard(context.scratch, table, ended, spill, facts)
        tar = None
        if files.tar is not None:
            key = context.key("shards", ".tar")
            tar = context.put_file(key, files.tar, role="shard", rows=files.successes)
            effects.outputs.append(tar)
        key = context.key("shards", ".parquet")
        index = context.put_file(key, files.index, role="shard_index", rows=files.rows)
        stats = context.put(context.key("shards", "_stats.json"), files.stats, role="shard_stats")
        effects.outputs += [index, stats]
        if tar is not None:
            effects.follow_ups.append(embed_task(context.task, tar, index, files.successes))


def _round(context: UnitContext) -> Round:
    rounds = min(len(context.spec.download.retry_delay_seconds), MAX_RETRY_ROUNDS)
    return Round(number=context.task.input.download.retry_round, rounds=rounds)


def _by_row(ends: list[TargetEnd]) -> dict[int, TargetEnd]:
    return {row: end for end in ends for row in end.target.rows}


def _require_any(ends: Mapping[int, TargetEnd]) -> None:
    if not any(isinstance(end, Ended) or end.next_round for end in ends.values()):
        raise CutOffError("the download unit was cut off before any row came to an end")


def _given_up(end: TargetEnd) -> TargetEnd:
    if isinstance(end, Ended) or end.next_round:
        return end
    detail = "the host's rate does not admit it within the job's patience"
    return Ended(target=end.target, attempts=end.attempts, reason=Reason.REASON_HOST_TOO_SLOW, detail=detail)


def _hand_on(
    context: UnitContext, table: pa.Table, rest: Mapping[int, HandedOn], effects: _Effects, *, cut_off: bool
) -> None:
    """Stores the rows that go on and names the units that take them."""
    put_off = {row: end for row, end in rest.items() if not end.next_round}
    retried = {row: end for row, end in rest.items() if end.next_round}
    groups = [group for group in (put_off, retried) if group]
    if not groups:
        return
    path = context.scratch / "rest.parquet"
    write_rest(path, table, groups)
    ref = context.put_file(context.key("steps/rest", ".parquet"), path, role="rest", rows=len(rest))
    effects.outputs.append(ref)
    if put_off:
        follow_up = put_off_task(context.task, ref, groups.index(put_off), len(put_off), cut_off=cut_off)
        effects.follow_ups.append(follow_up)
    if retried:
        effects.follow_ups.append(retry_task(context.task, ref, groups.index(retried), len(retried)))


def _tally(ends: Mapping[int, TargetEnd]) -> Tally:
    tally: Counter[tuple[Outcome.ValueType, Reason.ValueType]] = Counter()
    for end in ends.values():
        if isinstance(end, HandedOn):
            outcome = Outcome.OUTCOME_HANDED_ON
        elif end.reason:
            outcome = Outcome.OUTCOME_FAILED
        else:
            outcome = Outcome.OUTCOME_PASSED
        tally[outcome, end.reason] += 1
    return tally
