"""What a threshold would keep."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pairmill_explorer.errors import BadRequestError
from pairmill_explorer.search.masks import mask_cache
from pairmill_explorer.search.searcher import Searcher
from pairmill_explorer.search.thresholds import preview_threshold
from pairmill_protos.explorer.v1.search_pb2 import Filters, SafeMode
from pairmill_protos.explorer.v1.search_service_pb2 import PreviewThresholdRequest, PreviewThresholdResponse
from tests.fakes.index_world import IndexWorld

SHOW = Filters(safe_mode=SafeMode.SAFE_MODE_SHOW)


def ask(world: IndexWorld, request: PreviewThresholdRequest) -> PreviewThresholdResponse:
    searcher = Searcher(mask_cache(10**7), results_bytes=10**6)
    return preview_threshold(searcher, world.snapshot(), request)


def test_rows_are_counted_by_language_on_both_sides_of_the_cut(world: IndexWorld) -> None:
    answer = ask(world, PreviewThresholdRequest(field="similarity", value=0.1, filters=SHOW))
    scores = world.rows["similarity"].to_numpy()
    languages = world.rows["language"].to_pylist()
    for count in answer.counts:
        here = np.array([language == count.language for language in languages])
        assert count.above == (here & (scores >= np.float32(0.1))).sum()
        assert count.below == (here & (scores < np.float32(0.1))).sum()
        assert count.unknown == (here & np.isnan(scores)).sum()
    rows = [count.above + count.below + count.unknown for count in answer.counts]
    assert rows == sorted(Counter(languages).values(), reverse=True)


def test_examples_are_the_rows_nearest_to_the_cut(world: IndexWorld) -> None:
    answer = ask(
        world, PreviewThresholdRequest(field="aesthetic_score", value=5.005, filters=SHOW, examples=20)
    )
    scores = world.rows["aesthetic_score"].to_numpy()
    above = np.sort(scores[scores >= np.float32(5.005)])[:20]
    below = np.sort(scores[scores < np.float32(5.005)])[::-1][:20]
    assert [sample.aesthetic_score for sample in answer.above] == above.tolist()
    assert [sample.aesthetic_score for sample in answer.below] == below.tolist()


def test_a_score_at_the_cut_is_above_it(world: IndexWorld) -> None:
    answer = ask(world, PreviewThresholdRequest(field="similarity", value=0.3, filters=SHOW, examples=1))
    assert answer.above[0].similarity == np.float32(0.3)


def test_unsafe_rows_are_neither_counted_nor_shown_unless_asked_for_h6(world: IndexWorld) -> None:
    answer = ask(world, PreviewThresholdRequest(field="unsafe_score", value=0.6, examples=5))
    assert not answer.above
    assert not any(sample.unsafe for sample in answer.below)
    assert sum(count.above + count.unknown for count in answer.counts) == 0


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (PreviewThresholdRequest(field="width", value=1), "field"),
        (PreviewThresholdRequest(field="similarity", value=float("nan")), "value"),
        (PreviewThresholdRequest(field="similarity", examples=51), "examples"),
        (PreviewThresholdRequest(field="similarity", examples=-1), "examples"),
    ],
    ids=["no-score", "nan", "many", "negative"],
)
def test_a_bad_request_names_its_field_h2(
    world: IndexWorld, request_: PreviewThresholdRequest, field: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(world, request_)
    assert caught.value.field == field


@pytest.mark.parametrize("value", [1e300, -1e300], ids=["above-all", "below-all"])
def test_a_cut_far_from_all_scores_has_one_side(world: IndexWorld, value: float) -> None:
    answer = ask(world, PreviewThresholdRequest(field="similarity", value=value, filters=SHOW, examples=3))
    assert bool(answer.above) != bool(answer.below)


def test_no_examples_are_given_where_none_are_wanted(world: IndexWorld) -> None:
    answer = ask(world, PreviewThresholdRequest(field="similarity", value=0.1, examples=0))
    assert answer.counts
    assert not answer.above
    assert not answer.below
