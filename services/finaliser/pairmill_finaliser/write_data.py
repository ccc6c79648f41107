"""Phase 9: the join of an id range; writes `data/` and the kept samples for `train/`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.errors import InvalidRecordError
from pairmill.idarrays import Words, ascending, starts_of_groups
from pairmill.languages import LANGUAGE_BUCKETS
from pairmill.ledger.phases import KEPT_ROLE, LOSERS_ROLE, SAMPLES_ROLE
from pairmill.schemas import SAMPLES, versioned
from pairmill.spill import PartitionSpill
from pairmill.stage.port import Tally
from pairmill_finaliser.judge import Lookup
from pairmill_finaliser.keys import by_id_range
from pairmill_finaliser.rows import ROWS
from pairmill_finaliser.samples import (
    Decisions,
    final_verdicts,
    folder_numbers,
    kept_with_image,
    samples_of,
)
from pairmill_finaliser.scatter import ids_of
from pairmill_finaliser.step import FOLDER, Step
from pairmill_finaliser.steps import KEPT_SCHEMA
from pairmill_finaliser.thresholds import read_clusters
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import ImagePolicy
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

ROWS_AT_ONCE: Final = 100_000
ROW_GROUP_ROWS: Final = 50_000
MAX_PIECE_ROWS: Final = 50_000


def write_data(step: Step) -> tuple[Tally, list[ObjectRef]]:
    """Writes the files of an id range; returns the final outcomes and the references."""
    decisions = read_decisions(step)
    tally: Counter[tuple[Outcome.ValueType, Reason.ValueType]] = Counter()
    files, pieces = _Files(step), _Pieces(step)
    for rows in rows_in_order(step):
        finals = final_verdicts(rows, step.spec.score, decisions)
        samples = samples_of(rows, finals)
        files.write(samples)
        pieces.take(kept_with_image(samples))
        tally.update(finals.tally())
        step.advance(len(rows))
    return tally, [*files.store(), *pieces.store()]


def read_decisions(step: Step) -> Decisions:
    """Returns what the phases before found out about the samples of this range."""
    clustered, clusters = read_clusters(step)
    losers = list(step.read(LOSERS_ROLE))
    ids = np.concatenate([np.empty((0, 2), dtype=np.uint64), *(ids_of(table) for table in losers)])
    reasons = [np.asarray(table.column("reason").to_numpy(), dtype=np.int32) for table in losers]
    return Decisions(
        clustered=clustered,
        clusters=clusters,
        lost=Lookup.of(ids),
        reasons=np.concatenate([np.empty(0, dtype=np.int32), *reasons]),
    )


def rows_in_order(step: Step) -> Iterator[pa.Table]:
    """Yields the rows of the range in order of their ids, so many at a time as memory is meant for.

    Raises InvalidRecordError for a row of another range: then a base's files are not cut as it says.
    """
    edges = _edges(step)
    spill = PartitionSpill(step.context.scratch, ROWS)
    for table in step.read_rows(ROWS.names):
        ids = ids_of(table)
        if (by_id_range(ids, step.partitions) != step.unit.partition).any():
            raise InvalidRecordError(f"a row lies outside of id range {step.unit.partition}")
        spill.add(table, np.searchsorted(edges, ids[:, 0], side="right").astype(np.int32))
    for _, table in spill.parts():
        step.check()
        yield _ordered(table.combine_chunks())


def _edges(step: Step) -> npt.NDArray[np.uint64]:
    """First words of ids that cut the range into pieces of equal numbers of rows."""
    if step.context.task.rows <= ROWS_AT_ONCE:
        return np.empty(0, dtype=np.uint64)
    heads = np.concatenate([ids_of(table)[:, 0] for table in step.read_rows(["sample_id"])])
    heads.sort()
    return heads[ROWS_AT_ONCE::ROWS_AT_ONCE]


def _ordered(table: pa.Table) -> pa.Table:
    ids: Words = ids_of(table)
    order = ascending(ids)
    if not starts_of_groups(ids[order]).all():
        raise RuntimeError("a sample stands twice in the set")  # nothing doubled (U3)
    return table.take(order)


class _Files:
    """The files of `data/` that a range has, one per language folder."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._writers: dict[int, pq.ParquetWriter] = {}
        self._rows: Counter[int] = Counter()

    def write(self, samples: pa.Table) -> None:
        """Takes samples in order of their ids."""
        numbers = folder_numbers(samples)
        for number in np.unique(numbers).tolist():
            chosen = samples.filter(pa.array(numbers == number))
            self._writer(number).write_table(chosen, row_group_size=ROW_GROUP_ROWS)
            self._rows[number] += len(chosen)

    def store(self) -> Iterator[ObjectRef]:
        """Yields the references of the stored files."""
        for number in sorted(self._writers):
            self._writers[number].close()
            key = self._step.context.key(f"data/{LANGUAGE_BUCKETS[number]}", ".parquet", prefix="part-")
            yield self._step.context.put_file(
                key,
                self._step.path(f"{LANGUAGE_BUCKETS[number]}.parquet"),
                role=SAMPLES_ROLE,
                rows=self._rows[number],
                partition=self._step.unit.partition,
            )

    def _writer(self, number: int) -> pq.ParquetWriter:
        if number not in self._writers:
            path = self._step.path(f"{LANGUAGE_BUCKETS[number]}.parquet")
            self._writers[number] = pq.ParquetWriter(
                path, versioned(SAMPLES), compression="zstd", write_page_checksum=True
            )
        return self._writers[number]


class _Pieces:
    """Kept samples with an image, in order, cut so that a train unit reads little that it does not need."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._wanted = step.spec.image.policy != ImagePolicy.IMAGE_POLICY_NONE
        self._size = min(max(1, step.spec.finalise.train_shard_samples), MAX_PIECE_ROWS)
        self._waiting = KEPT_SCHEMA.empty_table()
        self._refs: list[ObjectRef] = []

    def take(self, kept: pa.Table) -> None:
        """Takes samples in order of their ids."""
        if not self._wanted:
            return
        self._waiting = pa.concat_tables([self._waiting, kept])
        while len(self._waiting) >= self._size:
            self._put(self._waiting.slice(0, self._size))
            self._waiting = self._waiting.slice(self._size)

    def store(self) -> list[ObjectRef]:
        """Returns the references of the pieces, in order."""
        if len(self._waiting):
            self._put(self._waiting)
        return self._refs

    def _put(self, piece: pa.Table) -> None:
        number = f"{len(self._refs):05d}"
        key = self._step.context.key(FOLDER, f".{KEPT_ROLE}.{number}.parquet")
        self._refs.append(self._step.put_table(key, piece, KEPT_ROLE, self._step.unit.partition))
