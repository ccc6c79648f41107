"""Which rows filters admit."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from pairmill_explorer.search.clauses import OneOf, Within
from pairmill_explorer.search.conditions import Conditions, SafetyRules, conditions_of, conditions_of_all
from pairmill_explorer.search.found import nearest
from pairmill_explorer.search.masks import Masks, mask_cache, mask_of
from pairmill_index.manifest import Modality
from pairmill_protos.explorer.v1.search_pb2 import Filters, Range, SafeMode
from tests.fakes.index_world import IndexWorld, make_index
from tests.fakes.predicates import meaning, parquet_rows, random_filters

RULES = SafetyRules(max_unsafe_score=0.5)
PREDICATES = 200


@dataclass
class Counted:
    """A condition that counts how often it is looked at."""

    column: str
    calls: list[int] = field(default_factory=list)
    nbytes: int = 0

    def __hash__(self) -> int:
        return hash(self.column)

    def holds(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        self.calls.append(len(table))
        return np.ones(len(table), dtype=np.bool_)


def test_random_predicates_admit_exactly_the_rows_of_the_parquet(world: IndexWorld, tmp_path: Path) -> None:
    rows = parquet_rows(world.rows, tmp_path / "rows.parquet")
    draw = random.Random(5)
    shares = []
    for number in range(PREDICATES):
        filters = random_filters(draw)
        found = np.concatenate([mask_of(segment, filters, RULES) for segment in world.index.segments])
        expected = rows.to_table(columns=["number"], filter=meaning(filters, 0.5))["number"]
        assert np.flatnonzero(found).tolist() == np.sort(expected.to_numpy()).tolist(), (number, filters)
        shares.append(float(found.mean()))
    known = np.array(shares)
    assert (known > 0.3).sum() >= 10
    assert ((known > 0) & (known < 0.002)).sum() >= 10


def test_filtered_search_finds_what_exact_search_over_the_admitted_rows_finds(world: IndexWorld) -> None:
    draw = random.Random(6)
    queries = np.random.default_rng(7).normal(size=(PREDICATES, world.vectors[Modality.IMAGE].shape[1]))
    hits = wanted = 0
    for query in queries / np.linalg.norm(queries, axis=1, keepdims=True):
        filters = random_filters(draw)
        masks = [mask_of(segment, filters, RULES) for segment in world.index.segments]
        vector = query.astype(np.float32)
        found = nearest(world.index.segments, masks, Modality.IMAGE, vector, 10)
        admitted = np.flatnonzero(np.concatenate(masks))
        scores = world.vectors[Modality.IMAGE][admitted].astype(np.float32) @ vector
        best = set(admitted[np.argsort(-scores)[:10]].tolist())
        starts = np.cumsum([0, *(segment.rows for segment in world.index.segments)])
        hits += len(best & set((starts[found.segments] + found.rows).tolist()))
        wanted += len(best)
        assert len(found) == len(best)
        assert (np.diff(found.scores) <= 0).all()
    assert hits / wanted >= 0.95


@pytest.mark.parametrize(
    ("given", "admits"),
    [
        pytest.param({"max": 0.3}, True, id="the-end-is-included"),
        pytest.param({"min": 0.3}, True, id="the-start-is-included"),
        pytest.param({"max": 0.29}, False, id="above"),
        pytest.param({"min": -1e300, "max": 1e300}, True, id="ends-beyond-float32"),
    ],
)
def test_a_score_shown_as_0_3_lies_within_ranges_that_end_there(
    given: Mapping[str, float], *, admits: bool
) -> None:
    table = pa.table({"similarity": pa.array([0.3, None, float("nan")], pa.float32())})
    range_ = Range(**given)
    low = range_.min if range_.HasField("min") else None
    high = range_.max if range_.HasField("max") else None
    assert Within("similarity", low, high).holds(table).tolist() == [admits, False, False]


def test_a_sample_without_height_lies_in_no_range_of_aspects() -> None:
    table = pa.table({"width": pa.array([4, 4], pa.int32()), "height": pa.array([0, 2], pa.int32())})
    assert Within("aspect", None, None).holds(table).tolist() == [False, True]
    assert Within("aspect", 2.0, 2.0).holds(table).tolist() == [False, True]


def test_removed_rows_are_never_admitted(tmp_path: Path) -> None:
    world = make_index(tmp_path / "index", 200)
    segment = world.index.segments[0]
    segment.alive[3] = False
    show = Filters(safe_mode=SafeMode.SAFE_MODE_SHOW)
    assert mask_of(segment, show, RULES).sum() == segment.rows - 1
    assert not mask_of(segment, show, RULES)[3]


@pytest.mark.parametrize(
    "mode", [SafeMode.SAFE_MODE_UNSPECIFIED, SafeMode.SAFE_MODE_HIDE], ids=["unset", "hide"]
)
def test_unsafe_and_unscored_rows_are_hidden_unless_asked_for_h6(
    world: IndexWorld, mode: SafeMode.ValueType
) -> None:
    for segment in world.index.segments:
        scores = segment.table["unsafe_score"].to_numpy()
        mask = mask_of(segment, Filters(safe_mode=mode), RULES)
        assert (mask == (scores <= np.float32(0.5))).all()
        assert mask_of(segment, Filters(safe_mode=SafeMode.SAFE_MODE_BLUR), RULES).all()


def test_a_condition_is_evaluated_once_per_segment_whatever_it_is_joined_with(world: IndexWorld) -> None:
    counted = Counted("x")
    masks = Masks("world", mask_cache(10**7))
    for others in ((), (OneOf("verdict", frozenset({"kept"})),), (Within("width", 1, None),)):
        conditions = Conditions(buckets=frozenset(), clauses=frozenset({counted, *others}))
        masks.all_of(world.index, conditions)
        masks.all_of(world.index, conditions)
    assert len(counted.calls) == len(world.index.segments)


def test_the_same_filters_said_in_another_order_share_their_masks(world: IndexWorld) -> None:
    first = conditions_of(Filters(languages=["en", "de"], hosts=["a", "b"]), RULES)
    second = conditions_of(Filters(hosts=["b", "a", "a"], languages=["de", "en"]), RULES)
    masks = Masks("world", mask_cache(10**7))
    segment = world.index.segments[0]
    assert first == second
    assert masks.of(world.index, segment, first) is masks.of(world.index, segment, second)


def test_long_lists_of_values_count_as_what_is_kept(tmp_path: Path) -> None:
    """Of a small dataset a mask is a few bytes, and who asks says how long its key is."""
    index = make_index(tmp_path, 50, buckets=["en"]).index
    cache = mask_cache(10**6)
    many = [
        conditions_of(Filters(hosts=[f"{number}-{host}.example" for host in range(1000)]), RULES)
        for number in range(20)
    ]
    for conditions in [*many, many[-1]]:
        Masks("small", cache).all_of(index, conditions)
    assert cache.hits == len(many)  # the last one again, and for all but the first that they hide
    misses = cache.misses
    Masks("small", cache).all_of(index, many[0])
    assert cache.misses > misses


def test_what_a_search_needs_of_a_mask_is_made_once(world: IndexWorld) -> None:
    masks = Masks("world", mask_cache(10**7))
    conditions = conditions_of(Filters(languages=["en", "de"]), RULES)
    index = world.index
    first, second = (masks.met(index, segment, conditions) for segment in [index.segments[0]] * 2)
    assert first.admitted is second.admitted
    assert first.count == first.admitted.count == np.count_nonzero(first.flags)
    vector = world.vectors[Modality.IMAGE][7].astype(np.float32)
    plain, prepared = (
        nearest(index.segments, [*given], Modality.IMAGE, vector, 20)
        for given in (
            masks.all_of(index, conditions),
            (met.admitted for met in masks.met_in_all(index, conditions)),
        )
    )
    assert plain.rows.tolist() == prepared.rows.tolist()
    assert len(plain) == 20


def test_conditions_without_filters_are_those_of_empty_filters() -> None:
    for mode, hides in ((SafeMode.SAFE_MODE_HIDE, True), (SafeMode.SAFE_MODE_SHOW, False)):
        assert conditions_of_all(RULES, hides=hides) == conditions_of(Filters(safe_mode=mode), RULES)


def test_masks_cannot_be_written_to(world: IndexWorld) -> None:
    mask: Any = Masks("world", mask_cache(10**7)).of(
        world.index, world.index.segments[0], conditions_of(Filters(), RULES)
    )
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = True
