"""What a recipe chooses of the rows that its filters admit: pure, over flags and ids.

The order of the steps: near enough to the query, one per cluster, the nearest so many, shares of groups, at
most so many per group, at most so many in all. Memory holds a flag per row, a score per row where there is a
query, and ids of the rows that a step has to compare, of which caps and sizes have few; never rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Words, ascending, find, ranks_in_groups, starts_of_groups
from pairmill_explorer.subsets.draws import bound_of, draws_of
from pairmill_explorer.subsets.gathered import Order, gathered
from pairmill_explorer.subsets.segments import (
    CLUSTER,
    Codes,
    Flags,
    Groups,
    SegmentRows,
    clusters_at,
    ids_at,
    runs,
)
from pairmill_explorer.subsets.smallest import smallest_draws

Scores: TypeAlias = Sequence[npt.NDArray[np.float32]]
_NONE: Final = np.empty(0, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is chosen of the rows that the filters admit, and of a query's results."""

    min_score: float | None = None
    max_results: int | None = None
    one_per_cluster: bool = False
    group_by: str = ""
    max_per_group: int | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    default_weight: float = 1.0
    size: int | None = None
    seed: int = 0


def choose(
    segments: Sequence[SegmentRows], admitted: Sequence[Flags], rules: Rules, scores: Scores | None = None
) -> tuple[Flags, ...]:
    """Returns which rows of each segment are chosen.

    `scores`, one per row, come with a query; rows that are not admitted have any.
    """
    chosen = tuple(np.array(flags, dtype=np.bool_) for flags in admitted)
    if scores is not None:
        chosen = above(chosen, scores, rules.min_score)
    if rules.one_per_cluster:
        chosen = _first_of_cluster(segments, chosen, _by_score(scores), 1)
    if scores is not None and rules.max_results is not None:
        chosen = nearest(segments, chosen, scores, rules.max_results)
    chosen = _shares(segments, chosen, rules)
    if rules.max_per_group is not None:
        chosen = _capped(segments, chosen, rules, rules.max_per_group)
    if rules.size is not None:
        groups = Groups.of(segments, "")
        chosen = smallest_draws(segments, chosen, groups, rules.size, rules.seed)
    return chosen


def total(flags: Sequence[Flags]) -> int:
    """Returns how many flags are set."""
    return sum(int(np.count_nonzero(one)) for one in flags)


def above(flags: Sequence[Flags], scores: Scores, least: float | None) -> tuple[Flags, ...]:
    """Keeps what scores at least so much; all without a bound."""
    if least is None:
        return tuple(flags)
    bound = np.float32(least)
    return tuple(one & (score >= bound) for one, score in zip(flags, scores, strict=True))


def nearest(
    segments: Sequence[SegmentRows], flags: Sequence[Flags], scores: Scores, limit: int
) -> tuple[Flags, ...]:
    """Keeps the `limit` best scores; of equal ones at the edge those with the smallest ids."""
    held = np.concatenate([score[one] for one, score in zip(flags, scores, strict=True)] or [_NONE])
    if len(held) <= limit:
        return tuple(flags)
    edge = np.partition(held, len(held) - limit)[len(held) - limit]
    above = tuple(one & (score > edge) for one, score in zip(flags, scores, strict=True))
    level = tuple(one & (score == edge) for one, score in zip(flags, scores, strict=True))
    rows = gathered(segments, level, lambda number, rows, ids: ids[:, 0])
    best = rows.take(ascending(rows.ids)[: limit - total(above)])
    return best.added_to(above)


def _shares(segments: Sequence[SegmentRows], flags: Sequence[Flags], rules: Rules) -> tuple[Flags, ...]:
    """Keeps of each group the rows whose draw belongs to the group's share."""
    if rules.default_weight >= 1.0 and all(weight >= 1.0 for weight in rules.weights.values()):
        return tuple(flags)
    groups = Groups.of(segments, "" if rules.group_by == CLUSTER else rules.group_by)
    shares = [rules.weights.get(value, rules.default_weight) for value in groups.values]
    bounds = np.array([bound_of(share) for share in shares], dtype=np.uint64)
    some = np.array([share > 0 for share in shares], dtype=np.bool_)
    return _filtered(
        segments,
        flags,
        groups,
        lambda codes, ids: some[codes] & (draws_of(ids, rules.seed) <= bounds[codes]),
    )


def _capped(
    segments: Sequence[SegmentRows], flags: Sequence[Flags], rules: Rules, limit: int
) -> tuple[Flags, ...]:
    """Keeps of each group the rows with the smallest draws."""
    if rules.group_by == CLUSTER:
        return _first_of_cluster(segments, flags, lambda _, rows, ids: draws_of(ids, rules.seed), limit)
    groups = Groups.of(segments, rules.group_by)
    return smallest_draws(segments, flags, groups, limit, rules.seed)


def _by_score(scores: Scores | None) -> Order:
    """Orders by the score, the best first; without one by the id alone."""
    if scores is None:
        return lambda number, rows, ids: np.zeros(len(rows), dtype=np.uint64)
    return lambda number, rows, ids: -scores[number][rows]


def _first_of_cluster(
    segments: Sequence[SegmentRows], flags: Sequence[Flags], order: Order, limit: int
) -> tuple[Flags, ...]:
    """Keeps of each cluster the first `limit` rows in an order; ties by id.

    Nearly all samples are alone in a cluster that has their own id. Only those that name another one, and
    those that they name, have to be compared.
    """
    naming = _where_cluster(segments, flags, lambda ids, clusters: (ids != clusters).any(axis=1))
    members = gathered(segments, naming, order, clusters=True)
    if not len(members.ids):
        return tuple(flags)
    sorted_clusters = members.clusters[ascending(members.clusters)]
    named = sorted_clusters[starts_of_groups(sorted_clusters)]
    there = [_having(segment, one, named) for segment, one in zip(segments, flags, strict=True)]
    heads = _where_cluster(segments, there, lambda ids, clusters: (ids == clusters).all(axis=1))
    both = members.with_more(gathered(segments, heads, order, clusters=True))
    positions = ascending(both.clusters, both.keys, both.ids)
    ranks = ranks_in_groups(starts_of_groups(both.clusters[positions]))
    return both.take(positions[ranks >= limit]).taken_from(flags)


def _having(segment: SegmentRows, flags: Flags, ids: Words) -> Flags:
    """Returns the rows whose flag is set and whose id is one of these."""
    rows = find(segment.ids, ids)
    rows = rows[rows >= 0]
    found = np.zeros(len(flags), dtype=np.bool_)
    found[rows] = flags[rows]
    return found


def _where_cluster(
    segments: Sequence[SegmentRows], flags: Sequence[Flags], holds: Callable[[Words, Words], Flags]
) -> tuple[Flags, ...]:
    """Returns the rows for whose ids and clusters something holds."""
    found = []
    for segment, one in zip(segments, flags, strict=True):
        kept = np.zeros(len(one), dtype=np.bool_)
        for rows in runs(one):
            kept[rows] = holds(ids_at(segment, rows), clusters_at(segment, rows))
        found.append(kept)
    return tuple(found)


def _filtered(
    segments: Sequence[SegmentRows],
    flags: Sequence[Flags],
    groups: Groups,
    holds: Callable[[Codes, Words], Flags],
) -> tuple[Flags, ...]:
    """Returns the rows for whose groups and ids something holds."""
    found = []
    for segment, one, codes in zip(segments, flags, groups.codes, strict=True):
        kept = np.zeros(len(one), dtype=np.bool_)
        for rows in runs(one):
            kept[rows] = holds(codes[rows], ids_at(segment, rows))
        found.append(kept)
    return tuple(found)
