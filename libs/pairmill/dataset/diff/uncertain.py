"""Which verdicts are too close to call (U0).

Two machines may score a sample up to 1e-3 apart, so a verdict is left out of the comparison where a
score lies within 2e-3 of what decides: a threshold, or the score of a rival for the same place. What
is uncertain of one member of a group can be uncertain of others: each sample passes certainly, perhaps
or certainly not, and each choice is made again over these three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.dataset.domains import domain_ids
from pairmill.dataset.funnel import FAILED
from pairmill.dataset.reader import Dataset
from pairmill.dataset.verdicts import score_columns
from pairmill.idarrays import (
    Words,
    array_of,
    ascending,
    partition_of,
    starts_of_groups,
    words_of,
    words_of_hex,
)
from pairmill.ids import ID_BYTES
from pairmill.spill import PartitionSpill
from pairmill.verdict import one_array, similarity_thresholds
from pairmill_protos.job.v1.job_pb2 import JobSpec, ScoreRules

MARGIN: Final = np.float32(2e-3)

NO: Final = 0
PERHAPS: Final = 1
YES: Final = 2

Flags: TypeAlias = npt.NDArray[np.bool_]
Floats: TypeAlias = npt.NDArray[np.float32]
States: TypeAlias = npt.NDArray[np.int8]
Keys: TypeAlias = npt.NDArray[np.int64]

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("id", pa.binary(ID_BYTES)),
    pa.field("cluster", pa.binary(ID_BYTES)),
    pa.field("url", pa.binary(ID_BYTES)),
    pa.field("domain", pa.binary(ID_BYTES)),
    pa.field("similarity", pa.float32()),
    pa.field("state", pa.int8()),
]
_RIVALS: Final = pa.schema(_FIELDS)
_IDS: Final = pa.schema({"id": pa.binary(ID_BYTES)})

_COLUMNS: Final = [
    "sample_id",
    "url_id",
    "URL",
    "cluster_id",
    "similarity",
    "LANGUAGE",
    "punsafe",
    "pwatermark",
    "toxicity",
    "AESTHETIC_SCORE",
    "verdict",
]


class Uncertain:
    """Finds the samples of one dataset whose verdict is too close to call."""

    def __init__(self, dataset: Dataset, spec: JobSpec, folder: Path, partitions: int) -> None:
        self._dataset = dataset
        self._spec = spec
        self._folder = folder
        self._partitions = partitions
        self._found = PartitionSpill(folder, _IDS)

    def parts(self) -> Iterator[tuple[int, Words]]:
        """Yields (range of ids, ids left out), in ascending order; call it once."""
        rules = self._spec.finalise
        tables = self._by_thresholds()
        if rules.choose_by_cluster:
            tables = self._choice(tables, "cluster", lambda table, key: smallest_ids(table, key, 1))
        if rules.choose_by_url:
            tables = self._choice(tables, "url", most_similar)
        if rules.HasField("max_per_domain"):
            most = rules.max_per_domain
            tables = self._choice(tables, "domain", lambda table, key: smallest_ids(table, key, most))
        for _ in tables:
            pass
        for number, table in self._found.parts():
            yield number, words_of(one_array(table, "id"))

    def _note(self, ids: Words) -> None:
        self._found.add(pa.table({"id": array_of(ids)}), partition_of(ids, self._partitions))

    def _by_thresholds(self) -> Iterator[pa.Table]:
        """Yields what passes the thresholds, certainly or perhaps."""
        with_domain = self._spec.finalise.HasField("max_per_domain")
        for batch in self._dataset.samples(_COLUMNS):
            table = pa.Table.from_batches([batch])
            states, near = by_thresholds(table, self._spec.score)
            ids = words_of_hex(one_array(table, "sample_id"), ID_BYTES)
            self._note(ids[near])
            clusters = one_array(table, "cluster_id").fill_null("0" * 32)
            columns: dict[str, Any] = {
                "id": array_of(ids),
                "cluster": array_of(words_of_hex(clusters, ID_BYTES)),
                "url": array_of(words_of_hex(one_array(table, "url_id"), ID_BYTES)),
                "domain": domain_ids(one_array(table, "URL"))
                if with_domain
                else pa.nulls(len(ids), pa.binary(ID_BYTES)),
                "similarity": one_array(table, "similarity"),
                "state": pa.array(states),
            }
            yield pa.table(columns, schema=_RIVALS).filter(pa.array(states != NO))

    def _choice(
        self,
        tables: Iterator[pa.Table],
        key: str,
        choose: Callable[[pa.Table, Words], tuple[States, Flags]],
    ) -> Iterator[pa.Table]:
        """Yields what passes a choice, certainly or perhaps, group by group."""
        spill = PartitionSpill(self._folder, _RIVALS)
        for table in tables:
            words = words_of(one_array(table, key))
            spill.add(table, partition_of(words, self._partitions, word=1))
        for _, table in spill.parts():
            states, near = choose(table, words_of(one_array(table, key)))
            self._note(words_of(one_array(table, "id"))[near])
            place = table.schema.get_field_index("state")
            moved = table.set_column(place, _RIVALS.field("state"), pa.array(states))
            yield moved.filter(pa.array(states != NO))


def by_thresholds(table: pa.Table, rules: ScoreRules) -> tuple[States, Flags]:
    """Returns whether rows of `data/` pass the thresholds, and which are too close to call.

    A rule that comes after one that is certainly broken decides nothing any more.
    """
    size = len(table)
    decided = np.asarray(
        pa.compute.equal(table.column("verdict"), pa.scalar(FAILED)).fill_null(False).to_numpy(),
        dtype=np.bool_,
    )
    states = np.where(decided, NO, YES).astype(np.int8)
    near = np.zeros(size, dtype=np.bool_)
    for margin in _margins(table, rules):
        close = np.abs(margin) <= MARGIN
        broken = ~close & ~(margin > 0)  # unknown scores break a rule
        near |= close & ~decided
        states[close & (states == YES)] = PERHAPS
        states[broken] = NO
        decided |= broken
    return states, near


def _margins(table: pa.Table, rules: ScoreRules) -> Iterator[Floats]:
    """Yields by how much each row keeps each rule, in the order in which rules name the reason."""
    scores = score_columns(table)
    yield scores.similarity - similarity_thresholds(scores.language, rules.min_similarity)
    for name, column, sign in (
        ("max_unsafe_score", scores.unsafe_score, -1),
        ("max_watermark_score", scores.watermark_score, -1),
        ("max_toxicity", scores.toxicity, -1),
        ("min_aesthetic_score", scores.aesthetic_score, 1),
    ):
        if rules.HasField(name) and column is not None:  # type: ignore[arg-type]  # one of four literal names
            yield np.asarray(sign * (column - np.float32(getattr(rules, name))), dtype=np.float32)


def smallest_ids(table: pa.Table, key: Words, most: int) -> tuple[States, Flags]:
    """Returns states and what is too close to call where the `most` smallest ids of each key stay."""
    ids, states = words_of(one_array(table, "id")), _states(table)
    order = ascending(key, ids)
    starts = starts_of_groups(key[order])
    certain = _before(states[order] == YES, starts)
    possible = _before(states[order] != NO, starts)
    lost, open_ = certain >= most, (certain < most) & (possible >= most)
    moved, near = states.copy(), np.zeros(len(states), dtype=np.bool_)
    moved[order[lost]] = NO
    moved[order[open_]] = PERHAPS
    near[order[open_]] = True
    return moved, near


def most_similar(table: pa.Table, key: Words) -> tuple[States, Flags]:
    """Returns states and what is too close to call where the highest similarity of each key stays."""
    states = _states(table)
    similarity = np.asarray(table.column("similarity").to_numpy(), dtype=np.float32)
    order = ascending(key, -similarity)
    starts = starts_of_groups(key[order])
    group = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    ordered, sure = similarity[order], states[order] == YES
    best_sure = np.full(len(first), -np.inf, dtype=np.float32)
    np.maximum.at(best_sure, group[sure], ordered[sure])
    ends = np.append(first[1:], len(ordered))
    has_second = first + 1 < ends
    second = np.where(has_second, ordered[np.minimum(first + 1, len(ordered) - 1)], -np.inf)
    rival = np.where(starts, second[group], ordered[first][group]) if len(first) else ordered
    lost = best_sure[group] > ordered + MARGIN
    open_ = ~lost & (rival >= ordered - MARGIN)
    moved, near = states.copy(), np.zeros(len(states), dtype=np.bool_)
    moved[order[lost]] = NO
    moved[order[open_]] = PERHAPS
    near[order[open_]] = True
    return moved, near


def _states(table: pa.Table) -> States:
    return np.asarray(table.column("state").to_numpy(), dtype=np.int8)


def _before(flags: Flags, starts: Flags) -> Keys:
    """Returns how many flags stand before each row in its group."""
    total: Keys = np.cumsum(flags, dtype=np.int64) - flags
    first = np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))
    return total - total[first]
