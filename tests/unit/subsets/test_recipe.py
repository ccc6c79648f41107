"""What recipes may say, and that those which say the same are the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from pairmill.errors import InvalidRecordError
from pairmill.rpc.refusals import InvalidRequestError
from pairmill_explorer.errors import BadRequestError, RequestError, TooLargeError
from pairmill_explorer.http.transcoding import json_of, message_of
from pairmill_explorer.search.conditions import SafetyRules
from pairmill_explorer.subsets.recipe import Checked, checked, recipe_from_json, recipe_to_json
from pairmill_protos.explorer.v1.subset_service_pb2 import Recipe, SaveSubsetRequest

QUERY = {"parts": [{"text": "a cat"}], "max_results": 100}


def recipe(**facts: Any) -> Recipe:
    return ParseDict({"name": "r", **facts}, Recipe())


def check(wanted: Recipe) -> Checked:
    return checked(wanted, 4, SafetyRules())


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": ""}, "recipe.name"),
    "a path as name": ({"name": "a/b"}, "recipe.name"),
    "two dots as name": ({"name": ".."}, "recipe.name"),
    "an option as name": ({"name": "-x"}, "recipe.name"),
    "a long name": ({"name": "n" * 81}, "recipe.name"),
    "a long description": ({"description": "d" * 2001}, "recipe.description"),
    "score without query": ({"min_score": 0.2}, "recipe.min_score"),
    "results without query": ({"max_results": 5}, "recipe.max_results"),
    "query without bound": ({"parts": [{"text": "a"}]}, "recipe.max_results"),
    "score above one": ({**QUERY, "min_score": 1.5}, "recipe.min_score"),
    "no results": ({**QUERY, "max_results": 0}, "recipe.max_results"),
    "size zero": ({"size": 0}, "recipe.size"),
    "zero vector": (
        {"parts": [{"vector": {"values": [0, 0, 0, 0]}}], "max_results": 1},
        "recipe.parts[0].vector",
    ),
    "wrong dimensions": (
        {"parts": [{"vector": {"values": [1]}}], "max_results": 1},
        "recipe.parts[0].vector",
    ),
    "unknown group": ({"sampling": {"group_by": "colour"}}, "recipe.sampling.group_by"),
    "cap without group": ({"sampling": {"max_per_group": 3}}, "recipe.sampling.max_per_group"),
    "cap of none": ({"sampling": {"group_by": "host", "max_per_group": 0}}, "recipe.sampling.max_per_group"),
    "weights without group": ({"sampling": {"weights": {"en": 0.5}}}, "recipe.sampling.weights"),
    "weights of clusters": (
        {"sampling": {"group_by": "cluster_id", "weights": {"en": 0.5}}},
        "recipe.sampling.weights",
    ),
    "weight above one": (
        {"sampling": {"group_by": "language", "weights": {"en": 2.0}}},
        "recipe.sampling.weights['en']",
    ),
    "default weight NaN": ({"sampling": {"default_weight": "NaN"}}, "recipe.sampling.default_weight"),
    "reversed range": (
        {"filters": {"similarity": {"min": 0.5, "max": 0.1}}},
        "recipe.filters.similarity.min",
    ),
    "cosine without query": ({"collapse": {"cosine": 0.9}}, "recipe.collapse.cosine"),
    "cosine of many": (
        {**QUERY, "max_results": 10_001, "collapse": {"cosine": 0.9}},
        "recipe.collapse.cosine",
    ),
    "far away hashes": ({**QUERY, "collapse": {"phash_distance": 17}}, "recipe.collapse.phash_distance"),
}


@pytest.mark.parametrize(("facts", "field"), BAD.values(), ids=BAD.keys())
def test_h2_a_recipe_that_makes_no_sense_is_refused_by_its_field(facts: dict[str, Any], field: str) -> None:
    with pytest.raises(RequestError) as refused:
        check(recipe(**facts))
    assert refused.value.field == field
    assert isinstance(refused.value, BadRequestError | TooLargeError)


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "order of values": (
        {"filters": {"languages": ["de", "en"]}},
        {"filters": {"languages": ["en", "de", "en"]}},
    ),
    "default safe mode": ({}, {"filters": {"safe_mode": "SAFE_MODE_HIDE"}}),
    "blurred is shown": (
        {"filters": {"safe_mode": "SAFE_MODE_BLUR"}},
        {"filters": {"safe_mode": "SAFE_MODE_SHOW"}},
    ),
    "default modality": (QUERY, {**QUERY, "modality": "MODALITY_IMAGE"}),
    "modality without query": ({}, {"modality": "MODALITY_TEXT"}),
    "default weight": (QUERY, {**QUERY, "parts": [{"text": "a cat", "weight": 1.0}]}),
    "nothing sampled": ({}, {"sampling": {"default_weight": 1.0}}),
    "nothing collapsed": ({}, {"collapse": {}}),
    "words about it": ({"description": "mine"}, {"name": "other", "description": "yours"}),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_recipes_that_say_the_same_have_one_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert check(recipe(**one)).digest == check(recipe(**other)).digest


DIFFERENT: list[dict[str, Any]] = [
    {},
    {"seed": 1},
    {"size": 5},
    {"filters": {"languages": ["en"]}},
    {"filters": {"safe_mode": "SAFE_MODE_SHOW"}},
    QUERY,
    {**QUERY, "modality": "MODALITY_TEXT"},
    {**QUERY, "min_score": 0.1},
    {"collapse": {"phash_distance": 0}},
    {"sampling": {"group_by": "host", "max_per_group": 3}},
]


def test_recipes_that_say_something_else_have_other_digests() -> None:
    digests = {check(recipe(**facts)).digest for facts in DIFFERENT}
    assert len(digests) == len(DIFFERENT)


@pytest.mark.parametrize("facts", DIFFERENT, ids=str)
def test_a_recipe_is_the_same_after_it_was_kept_as_json(facts: dict[str, Any]) -> None:
    found = check(recipe(**facts))
    again = check(recipe_from_json(recipe_to_json(found.recipe)))
    assert (again.recipe, again.digest) == (found.recipe, found.digest)


@pytest.mark.parametrize("facts", [[], "x", {"colour": 1}, {"size": "many"}], ids=str)
def test_other_json_is_no_recipe(facts: object) -> None:
    with pytest.raises(InvalidRecordError):
        recipe_from_json(facts)


def test_few_results_are_compared_as_in_search_and_more_by_cluster() -> None:
    few = check(recipe(**QUERY, collapse={"phash_distance": 4}))
    many = check(recipe(**{**QUERY, "max_results": 20_000}, collapse={"phash_distance": 4}))
    none = check(recipe(collapse={"phash_distance": 4}))
    assert (few.compares_results, few.rules.one_per_cluster) == (True, False)
    assert (many.compares_results, many.rules.one_per_cluster) == (False, True)
    assert (none.compares_results, none.rules.one_per_cluster) == (False, True)


@pytest.mark.parametrize("seed", [2**53 + 1, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("written", [str, '"{}"'.format], ids=["number", "text"])
def test_a_seed_of_64_bits_comes_through_json_to_its_last_digit(
    seed: int, written: Callable[[int], str]
) -> None:
    """It goes out as text: a page's own numbers are exact up to 53 bits only."""
    request = message_of(SaveSubsetRequest, f'{{"recipe": {{"seed": {written(seed)}}}}}'.encode())
    assert isinstance(request, SaveSubsetRequest)
    assert request.recipe.seed == seed
    assert json.loads(json_of(request))["recipe"]["seed"] == str(seed)


@pytest.mark.parametrize("written", ["1.5", str(2**63), '"1e400"'])
def test_h2_a_seed_that_is_none_is_refused_with_its_field(written: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"recipe\.seed"):
        message_of(SaveSubsetRequest, f'{{"recipe": {{"seed": {written}}}}}'.encode())
