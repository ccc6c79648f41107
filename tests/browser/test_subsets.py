"""Subsets: from a query to an export."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from pairmill_protos.explorer.v1.subset_service_pb2 import ExportState
from tests.browser.conftest import Visit
from tests.browser.guard import Guard
from tests.fakes.explorer_site import Refusal, Site


def test_a_query_becomes_a_subset_and_the_subset_files(visit: Visit, site: Site) -> None:
    page = visit("?q=red circle&languages=en&similarity=0.2..0.9")
    page.get_by_role("button", name="Make a subset").click()
    expect(page.locator(".description")).to_contain_text("near “red circle”")
    expect(page.locator(".description")).to_contain_text("Language: English (en)")
    page.get_by_label("Name").fill("red-circles")
    page.get_by_label("At most so many nearest").fill("50")
    expect(page.locator(".preview .facts")).to_contain_text("50")
    page.get_by_role("button", name="Save recipe").click()
    expect(page.get_by_role("heading", name="red-circles")).to_be_visible()
    recipe = site.explorer.subsets["red-circles"].recipe
    assert (recipe.max_results, list(recipe.filters.languages)) == (50, ["en"])
    assert [part.text for part in recipe.parts] == ["red circle"]
    page.get_by_role("button", name="Export", exact=True).click()
    export = page.locator(".export")
    expect(export).to_have_attribute("data-state", "complete")
    expect(export).to_contain_text("exports/e1")


def test_sampling_and_size_stand_in_the_recipe(visit: Visit, site: Site) -> None:
    page = visit("?view=subsets&subset=new")
    page.get_by_label("Name").fill("sampled")
    page.get_by_text("Sampling by group").click()
    page.get_by_label("Group by").select_option("Language")
    page.get_by_label("Most per group").fill("20")
    page.get_by_label("Shares of single groups").fill("en = 0.5\nde=1")
    page.get_by_label("One of each group of near-duplicates").check()
    page.get_by_label("At most so many samples").fill("100")
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Save recipe").click()
    expect(page.get_by_role("heading", name="sampled")).to_be_visible()
    recipe = site.explorer.subsets["sampled"].recipe
    assert (recipe.size, recipe.seed, recipe.collapse.phash_distance) == (100, 7, 0)
    assert recipe.HasField("collapse")
    assert (recipe.sampling.group_by, recipe.sampling.max_per_group) == ("language", 20)
    assert dict(recipe.sampling.weights) == {"en": 0.5, "de": 1.0}


@pytest.mark.parametrize("seed", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_a_seed_of_64_bits_is_kept_to_its_last_digit(visit: Visit, site: Site, seed: int) -> None:
    page = visit("?view=subsets&subset=new")
    page.get_by_label("Name").fill("seeded")
    page.get_by_label("Seed").fill(str(seed))
    page.get_by_role("button", name="Save recipe").click()
    expect(page.get_by_role("heading", name="seeded")).to_be_visible()
    expect(page.locator(".description")).to_contain_text(f"seed {seed}")
    assert site.explorer.subsets["seeded"].recipe.seed == seed


@pytest.mark.parametrize(
    ("seed", "said"), [(str(2**63), "more than 64 bits"), ("1.5", "not a whole number"), ("1e3", "")]
)
def test_a_seed_that_is_none_is_not_sent(visit: Visit, site: Site, seed: str, said: str) -> None:
    page = visit("?view=subsets&subset=new")
    page.get_by_label("Name").fill("seeded")
    page.get_by_label("Seed").fill(seed)
    page.get_by_role("button", name="Save recipe").press("Enter")
    if said:
        expect(page.get_by_text(said).first).to_be_visible()
        assert not site.explorer.subsets
    else:
        expect(page.get_by_role("heading", name="seeded")).to_be_visible()
        assert site.explorer.subsets["seeded"].recipe.seed == 1000


def test_what_is_wrong_with_a_recipe_stands_beside_its_fields(visit: Visit, site: Site, guard: Guard) -> None:
    guard.expect("status of 400")
    page = visit("?view=subsets&subset=new")
    page.get_by_label("Name").fill("taken")
    site.refusals["SaveSubset"] = Refusal(
        400, "INVALID_ARGUMENT", "the recipe is wrong", {"recipe.name": "is not a name"}
    )
    page.get_by_role("button", name="Save recipe").click()
    expect(page.locator(".recipe").get_by_role("alert")).to_contain_text("is not a name")
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "")


def test_a_query_without_bounds_is_no_recipe(visit: Visit) -> None:
    page = visit("?view=subsets&subset=new&q=red")
    page.get_by_label("At most so many nearest").fill("")
    expect(page.locator(".preview").get_by_role("alert")).to_contain_text("one of both is needed")


def test_an_export_can_be_cancelled(visit: Visit, site: Site) -> None:
    page = visit("?view=subsets&subset=new")
    page.get_by_label("Name").fill("endless")
    page.get_by_role("button", name="Save recipe").click()
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.locator(".export")).to_contain_text("100 of 200 samples")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the export").click()
    expect(page.locator(".export")).to_have_attribute("data-state", "cancelled")
    assert site.explorer.exports[0].state == ExportState.EXPORT_STATE_CANCELLED


def test_two_exports_can_be_compared(visit: Visit, site: Site) -> None:
    page = visit("?view=subsets&subset=new")
    page.get_by_label("Name").fill("twice")
    page.get_by_role("button", name="Save recipe").click()
    for number in (1, 2):
        page.get_by_role("button", name="Export", exact=True).click()
        expect(page.locator(".export[data-state=complete]")).to_have_count(number)
    page.get_by_text("Compare two exports").click()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("main")).to_contain_text("180 in both, 20 added, 0 removed")
    added = site.explorer.world.samples[0].sample_id
    page.get_by_role("button", name=added).click()
    expect(page.get_by_role("dialog", name="Sample")).to_be_visible()


def test_subsets_are_listed(visit: Visit) -> None:
    page = visit("?view=subsets")
    expect(page.get_by_text("No subset yet")).to_be_visible()
    page.get_by_role("button", name="New from the present search").click()
    page.get_by_label("Name").fill("new")
    page.get_by_label("What it is for").fill("a test")
    page.get_by_role("button", name="Save recipe").click()
    page.get_by_role("link", name="All subsets").click()
    row = page.get_by_role("row", name=re.compile("new a test"))
    row.get_by_role("link", name="new").click()
    expect(page.get_by_role("heading", name="new", exact=True)).to_be_visible()
