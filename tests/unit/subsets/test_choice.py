"""What a recipe chooses, against a plain reference, and what has to hold of any choice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pairmill.idarrays import words_of_bytes
from pairmill_explorer.subsets.choice import Rules, choose, total
from pairmill_explorer.subsets.draws import draws_of
from tests.fakes.made_segments import MadeSegment, make_rows, make_segment, make_segments

Flags = npt.NDArray[np.bool_]

RULES = {
    "all": Rules(),
    "size": Rules(size=100, seed=3),
    "more than there are": Rules(size=10**9),
    "one per cluster": Rules(one_per_cluster=True),
    "share": Rules(default_weight=0.3, seed=9),
    "shares of languages": Rules(group_by="language", weights={"en": 0.5, "de": 0.0}, default_weight=0.9),
    "nothing": Rules(default_weight=0.0),
    "cap per host": Rules(group_by="host", max_per_group=7, seed=1),
    "cap per bucket": Rules(group_by="bucket", max_per_group=50),
    "cap per cluster": Rules(group_by="cluster_id", max_per_group=2, seed=4),
    "all of it": Rules(
        one_per_cluster=True,
        group_by="host",
        weights={"h0.test": 0.5},
        max_per_group=20,
        size=150,
        seed=-5,
    ),
}


def admitted_by(segments: Sequence[MadeSegment], share: float) -> list[Flags]:
    """Returns random masks."""
    draw = np.random.default_rng(1)
    return [draw.random(len(segment.ids)) < share for segment in segments]


def keys_of(segments: Sequence[MadeSegment], chosen: Sequence[Flags]) -> set[bytes]:
    return {key for segment, flags in zip(segments, chosen, strict=True) for key in segment.keys(flags)}


def reference(
    segments: Sequence[MadeSegment],
    admitted: Sequence[Flags],
    rules: Rules,
    scores: Sequence[npt.NDArray[np.float32]] | None = None,
) -> set[bytes]:
    """The same in plain words, row by row."""
    rows: list[dict[str, Any]] = []
    for number, segment in enumerate(segments):
        for place, row in enumerate(segment.table.to_pylist()):
            if admitted[number][place]:
                row["bucket"] = segment.segment.bucket
                row["score"] = float(scores[number][place]) if scores is not None else 0.0
                row["draw"] = int(draws_of(words_of_bytes(row["sample_id"], 16), rules.seed)[0])
                rows.append(row)
    if scores is not None and rules.min_score is not None:
        rows = [row for row in rows if np.float32(row["score"]) >= np.float32(rules.min_score)]
    if rules.one_per_cluster:
        rows = firsts(rows, "cluster_id", lambda row: (-row["score"], row["sample_id"]), 1)
    if scores is not None and rules.max_results is not None:
        rows = sorted(rows, key=lambda row: (-row["score"], row["sample_id"]))[: rules.max_results]
    shares = {row["sample_id"]: share_of(row, rules) for row in rows}
    rows = [row for row in rows if row["draw"] < shares[row["sample_id"]] * 2**64]
    if rules.max_per_group is not None:
        rows = firsts(rows, rules.group_by, lambda row: row["draw"], rules.max_per_group)
    if rules.size is not None:
        rows = sorted(rows, key=lambda row: int(row["draw"]))[: rules.size]
    return {row["sample_id"] for row in rows}


def share_of(row: dict[str, Any], rules: Rules) -> float:
    return rules.weights.get(row.get(rules.group_by, ""), rules.default_weight)


def firsts(rows: list[dict[str, Any]], column: str, order: Any, limit: int) -> list[dict[str, Any]]:
    groups = defaultdict(list)
    for row in sorted(rows, key=order):
        groups[row[column]].append(row)
    return [row for group in groups.values() for row in group[:limit]]


@pytest.mark.parametrize("chunks", [1, 5])
@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
def test_a_choice_is_what_its_rules_say(rules: Rules, share: float, chunks: int) -> None:
    segments = make_segments(900, chunks=chunks)
    admitted = admitted_by(segments, share)
    assert keys_of(segments, choose(segments, admitted, rules)) == reference(segments, admitted, rules)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(min_score=0.1),
        Rules(max_results=50),
        Rules(max_results=10**6, min_score=-1.0),
        Rules(max_results=40, one_per_cluster=True),
        Rules(min_score=0.0, one_per_cluster=True, group_by="language", max_per_group=9, size=30),
    ],
    ids=str,
)
def test_the_nearest_are_chosen_of_a_query(rules: Rules) -> None:
    segments = make_segments(900)
    admitted, draw = admitted_by(segments, 0.7), np.random.default_rng(2)
    scores = [draw.uniform(-1, 1, len(segment.ids)).astype(np.float32).round(2) for segment in segments]
    chosen = choose(segments, admitted, rules, scores)
    assert keys_of(segments, chosen) == reference(segments, admitted, rules, scores)


def test_a_choice_does_not_depend_on_how_rows_lie_in_segments() -> None:
    rules = Rules(one_per_cluster=True, group_by="host", max_per_group=5, default_weight=0.5, size=60, seed=8)
    rows = make_rows(600, 4)
    whole = [make_segment(rows, "en", 1)]
    parts = [make_segment(rows[start::4], "en", start) for start in range(4)]
    everything = [[np.ones(len(one.ids), dtype=np.bool_) for one in some] for some in (whole, parts)]
    assert keys_of(whole, choose(whole, everything[0], rules)) == keys_of(
        parts, choose(parts, everything[1], rules)
    )


def test_another_seed_is_another_choice_of_the_same_size() -> None:
    segments = make_segments(900)
    admitted = admitted_by(segments, 1.0)
    first, second = (choose(segments, admitted, Rules(size=200, seed=seed)) for seed in (1, 2))
    assert total(first) == total(second) == 200
    assert keys_of(segments, first) != keys_of(segments, second)


def test_shares_are_stable_when_the_dataset_grows() -> None:
    rules = Rules(group_by="language", weights={"en": 0.4}, default_weight=0.7, seed=12)
    rows = make_rows(900, 5)
    small, large = [make_segment(rows[:500], "en", 1)], [make_segment(rows, "en", 1)]
    before = keys_of(small, choose(small, admitted_by(small, 1.1), rules))
    after = keys_of(large, choose(large, admitted_by(large, 1.1), rules))
    there = {bytes(row["sample_id"]) for row in rows[:500]}
    assert before == after & there


def test_a_size_is_filled_from_what_was_there_and_what_came() -> None:
    """A sample leaves a random choice only for one that was not there before."""
    rows = make_rows(900, 6)
    small, large = [make_segment(rows[:600], "en", 1)], [make_segment(rows, "en", 1)]
    before, after = (
        keys_of(some, choose(some, admitted_by(some, 1.1), Rules(size=100))) for some in (small, large)
    )
    there = {bytes(row["sample_id"]) for row in rows[:600]}
    assert after & there <= before
    assert len(after) == 100


def test_a_share_takes_about_that_share() -> None:
    segments = make_segments(6000)
    chosen = choose(segments, admitted_by(segments, 1.1), Rules(default_weight=0.1))
    assert 480 < total(chosen) < 720


def test_a_cap_holds_for_each_group() -> None:
    segments = make_segments(3000)
    chosen = choose(segments, admitted_by(segments, 1.1), Rules(group_by="host", max_per_group=3))
    hosts: Counter[str] = Counter()
    for segment, flags in zip(segments, chosen, strict=True):
        hosts.update(np.array(segment.table.column("host").to_pylist())[flags].tolist())
    assert max(hosts.values()) == 3


def test_nothing_is_chosen_of_nothing() -> None:
    assert choose([], [], Rules(size=5, one_per_cluster=True, group_by="host", max_per_group=1)) == ()
    segments = make_segments(60)
    nothing = [np.zeros(len(segment.ids), dtype=np.bool_) for segment in segments]
    for rules in RULES.values():
        assert total(choose(segments, nothing, rules)) == 0


def test_the_masks_given_are_left_as_they_were() -> None:
    segments = make_segments(200)
    admitted = admitted_by(segments, 0.9)
    before = [flags.copy() for flags in admitted]
    choose(segments, admitted, RULES["all of it"])
    assert all((one == other).all() for one, other in zip(before, admitted, strict=True))
