"""Saved recipes: numbered, never overwritten, whoever writes at the same time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from pairmill.errors import CorruptObjectError
from pairmill_explorer.errors import BadRequestError, NotFoundError
from pairmill_explorer.search.conditions import SafetyRules
from pairmill_explorer.subsets.recipe import Checked, checked
from pairmill_explorer.subsets.shelf import RecipeShelf
from pairmill_protos.explorer.v1.subset_service_pb2 import Recipe
from tests.fakes.store import MemoryStore


def recipe(name: str = "r", **facts: int | str) -> Checked:
    return checked(Recipe(name=name, **facts), 4, SafetyRules())  # type: ignore[arg-type]  # fields of it


def test_a_recipe_that_was_saved_is_given_back() -> None:
    shelf = RecipeShelf(MemoryStore())
    saved = shelf.save(recipe(size=5, description="a few"))
    assert saved.revision == 1
    assert shelf.get("r") == saved
    assert shelf.get("r", 1).digest == recipe(size=5).digest


def test_the_same_recipe_again_is_the_same_revision_and_another_is_a_new_one() -> None:
    shelf = RecipeShelf(MemoryStore())
    assert [shelf.save(recipe(size=size)).revision for size in (5, 5, 6, 6, 5)] == [1, 1, 2, 2, 3]
    assert shelf.get("r").recipe.size == 5
    assert shelf.get("r", 2).recipe.size == 6


def test_the_last_revision_of_each_recipe_is_listed_by_name() -> None:
    shelf = RecipeShelf(MemoryStore())
    for name, size in (("b", 1), ("a", 1), ("b", 2), ("b.json", 3)):
        shelf.save(recipe(name, size=size))
    assert [(one.recipe.name, one.revision) for one in shelf.all()] == [("a", 1), ("b", 2), ("b.json", 1)]


@pytest.mark.parametrize(("name", "revision"), [("none", None), ("r", 2)])
def test_a_recipe_that_is_not_there_is_not_found(name: str, revision: int | None) -> None:
    shelf = RecipeShelf(MemoryStore())
    shelf.save(recipe())
    with pytest.raises(NotFoundError):
        shelf.get(name, revision)


def test_a_name_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(BadRequestError):
        RecipeShelf(MemoryStore()).get("../x")


def test_g3_recipes_that_are_saved_at_once_are_all_kept() -> None:
    """The strict store refuses other bytes under a key that it holds."""
    shelf = RecipeShelf(MemoryStore())
    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(lambda size: shelf.save(recipe(size=size)), range(1, 33)))
    assert len({one.revision for one in saved}) == 32
    for one in saved:
        assert shelf.get("r", one.revision) == one
    assert not [key for key in shelf.store.list("subsets/") if "claims" in key.key]


def test_a_claim_that_was_left_behind_stops_nobody() -> None:
    store = MemoryStore()
    store.put("subsets/r/claims/1-0123456789abcdef", b"")
    assert RecipeShelf(store).save(recipe()).revision > 1


def test_g4_a_recipe_with_other_bytes_is_refused() -> None:
    store = MemoryStore(strict=False)
    shelf = RecipeShelf(store)
    shelf.save(recipe(size=5))
    facts = json.loads(store.get("subsets/r/00001.json"))
    facts["recipe"]["size"] = "6"
    store.put("subsets/r/00001.json", json.dumps(facts).encode())
    with pytest.raises(CorruptObjectError):
        shelf.get("r")
    store.put("subsets/r/00001.json", b"{")
    with pytest.raises(CorruptObjectError):
        shelf.get("r")
