"""The ledger of a made-up job of any size, in a file, and a bus that reads it from there."""

from __future__ import annotations

import random
import struct
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pairmill.bus.port import Message, TopicPartition
from pairmill.jobspec.profiles import profile
from pairmill.ledger.root import JobRoot
from pairmill.units import LEDGER_TOPIC, PROGRESS_TOPIC, new_task, object_key, reference_list
from pairmill_gateway.admission import Admission, admit
from pairmill_protos.common.v1.outcome_pb2 import Count, Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import (
    DownloadInput,
    EmbedInput,
    LedgerRecord,
    ObjectRef,
    PlanInput,
    References,
    ScoreInput,
    Stage,
    UnitDone,
    UnitInput,
    UnitTask,
)
from tests.fakes.bus import MemoryBus

RANGES: Final = 64
WAVE: Final = 256
PER_PLAN: Final = 4  # download units of a plan unit
RETRIED: Final = 0.55  # share of download units with a further round
UNITS_PER_WAVE: Final = 1_870  # what the above comes to

_MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LENGTH: Final = struct.Struct("<I")
_FAILURES: Final = (
    Reason.REASON_HTTP_4XX,
    Reason.REASON_DNS_NOT_FOUND,
    Reason.REASON_ROBOTS_DISALLOWED,
    Reason.REASON_BODY_TOO_SMALL,
)


@dataclass(slots=True)
class Tree:
    """Writes the records of a job's units wave after wave; a function of the seed."""

    root: JobRoot
    draw: random.Random = field(default_factory=lambda: random.Random(1))
    _seen: dict[int, list[ObjectRef]] = field(default_factory=dict)

    def records(self, wave: int) -> Iterator[bytes]:
        """Yields the records of a wave in an order in which stages at work would write them."""
        candidates: list[ObjectRef] = []
        for task in self.root.crawl_tasks(wave):
            done = self._done(task, 1, [("steps", "candidates", ".parquet")])
            candidates.extend(done.outputs.inline)
            yield LedgerRecord(done=done).SerializeToString()
        waiting = deque(self._plans(wave, candidates))
        while waiting:
            if self.draw.random() < 0.5:
                waiting.rotate(-self.draw.randrange(min(len(waiting), 20)))
            task = waiting.popleft()
            done = self._finished(task)
            waiting.extend(done.follow_ups.inline)
            yield LedgerRecord(done=done).SerializeToString()

    def _plans(self, wave: int, candidates: Sequence[ObjectRef]) -> Iterator[UnitTask]:
        job_id = self.root.spec.job_id
        listed, _ = reference_list(candidates, job_id)
        for index in range(RANGES):
            plan = PlanInput(wave=wave, range=index, candidates=listed)
            if wave:
                plan.seen.CopyFrom(References(inline=self._seen[index]))
            unit_id = f"{job_id}/w{wave:04d}/r{index:04d}"
            yield self._task(unit_id, UnitInput(plan=plan), 0)

    def _finished(self, task: UnitTask) -> UnitDone:
        match task.stage:
            case Stage.STAGE_PLAN:
                done = self._done(task, 40_000, [("steps", "seen", ".seen"), ("steps", "plan", ".parquet")])
                self._seen[task.input.plan.range] = [done.outputs.inline[0]]
                rows = done.outputs.inline[1]
                for index in range(PER_PLAN):
                    found = DownloadInput(rows=rows, row_group=index, first_bucket=task.input.plan.range * 64)
                    self._follow(done, f"/d{index:05d}", UnitInput(download=found), 10_000)
            case Stage.STAGE_DOWNLOAD:
                done = self._downloaded(task)
            case Stage.STAGE_EMBED:
                folders = ("img_emb", "text_emb", "metadata")
                done = self._done(task, task.rows, [(f"embeddings/{name}", name, ".npy") for name in folders])
                images, texts, metadata = done.outputs.inline
                shard = task.input.embed
                score = ScoreInput(
                    shard=shard.shard,
                    shard_index=shard.shard_index,
                    image_embeddings=images,
                    text_embeddings=texts,
                    embedding_metadata=metadata,
                )
                self._follow(done, "/s", UnitInput(score=score), task.rows)
            case _:
                done = self._done(task, task.rows, [("steps", "scores", ".parquet")])
        return done

    def _downloaded(self, task: UnitTask) -> UnitDone:
        roles = [("shards", "shard", ".tar"), ("shards", "shard_index", ".parquet"), ("shards", "s", ".json")]
        done = self._done(task, task.rows, [*roles, ("steps", "rest", ".parquet")])
        shard, index, _, rest = done.outputs.inline
        self._follow(done, "/e", UnitInput(embed=EmbedInput(shard=shard, shard_index=index)), task.rows // 2)
        turn = task.input.download.retry_round + 1
        if turn <= 3 and self.draw.random() < RETRIED:
            again = DownloadInput(
                rows=rest, first_bucket=task.input.download.first_bucket, retry_round=turn, waits=True
            )
            self._follow(done, f".r{turn}", UnitInput(download=again), task.rows // 5 + 1)
        done.counts.extend(Count(outcome=Outcome.OUTCOME_FAILED, reason=why, rows=7) for why in _FAILURES)
        return done

    def _done(self, task: UnitTask, rows: int, outputs: Sequence[tuple[str, str, str]]) -> UnitDone:
        attempt = f"{self.draw.getrandbits(32):08x}"
        done = UnitDone(
            job_id=task.job_id,
            stage=task.stage,
            unit_id=task.unit_id,
            input_digest=task.input_digest,
            attempt=attempt,
            rows_in=rows,
            counts=[Count(outcome=Outcome.OUTCOME_PASSED, rows=rows)],
            outputs=References(inline=[self._output(task, attempt, rows, *output) for output in outputs]),
            service_version="1.0.0",
        )
        done.started_at.FromDatetime(_MOMENT.replace(tzinfo=None))
        done.finished_at.FromDatetime(_MOMENT.replace(tzinfo=None))
        return done

    def _output(
        self, task: UnitTask, attempt: str, rows: int, folder: str, role: str, suffix: str
    ) -> ObjectRef:
        key = object_key(folder, task.unit_id, attempt, suffix)
        return ObjectRef(key=key, bytes=5_000_000, sha256=self.draw.randbytes(32), rows=rows, role=role)

    def _follow(self, done: UnitDone, suffix: str, unit_input: UnitInput, rows: int) -> None:
        done.follow_ups.inline.append(self._task(done.unit_id + suffix, unit_input, rows))

    def _task(self, unit_id: str, unit_input: UnitInput, rows: int) -> UnitTask:
        return new_task(
            spec=self.root.spec_ref,
            job_id=self.root.spec.job_id,
            unit_id=unit_id,
            unit_input=unit_input,
            rows=rows,
        )


class RecordedBus(MemoryBus):
    """A bus whose ledger is a file of records, read in order and never in memory."""

    def __init__(self, path: Path, key: bytes) -> None:
        super().__init__()
        self.create_topic(LEDGER_TOPIC, 1)
        self.create_topic(PROGRESS_TOPIC, 1)
        self._file = path.open("rb")
        self._key = key
        self._next = 0
        self.limit = sys.maxsize  # records from here on have not been written yet

    def read(self, source: TopicPartition, *, start: int, max_records: int) -> Sequence[Message]:
        if source.topic != LEDGER_TOPIC:
            return super().read(source, start=start, max_records=max_records)
        assert start == self._next, "the ledger is read once, in order"
        found: list[Message] = []
        while len(found) < max_records and self._next < self.limit and (head := self._file.read(4)):
            value = self._file.read(_LENGTH.unpack(head)[0])
            found.append(
                Message(
                    topic=LEDGER_TOPIC,
                    partition=0,
                    offset=self._next,
                    key=self._key,
                    value=value,
                    appended_at=_MOMENT,
                )
            )
            self._next += 1
        return found


def admission(units: int) -> Admission:
    """Returns a job whose waves come to about so many units."""
    spec = profile("everything")
    spec.plan.ranges, spec.wave_size = RANGES, WAVE
    waves = max(1, round(units / UNITS_PER_WAVE))
    return admit(spec, tuple(f"https://data.test/{index:06d}.warc.wat.gz" for index in range(waves * WAVE)))


def write_records(path: Path, units: int) -> int:
    """Writes the ledger of a job to a file, each record after its length; returns how many there are."""
    admitted = admission(units)
    wats = admitted.objects[admitted.spec.wat_list.key].decode().splitlines()
    root = JobRoot(spec=admitted.spec, spec_ref=admitted.spec_ref, wats=tuple(wats))
    tree, written = Tree(root), 0
    with path.open("wb") as file:
        for wave in range(root.waves):
            for record in tree.records(wave):
                file.write(_LENGTH.pack(len(record)) + record)
                written += 1
    return written


def read_values(path: Path) -> Iterator[bytes]:
    """Yields the records of a file."""
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            yield file.read(_LENGTH.unpack(head)[0])


def count_records(path: Path) -> int:
    """Returns how many records a file holds."""
    found = 0
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            file.seek(_LENGTH.unpack(head)[0], 1)
            found += 1
    return found
