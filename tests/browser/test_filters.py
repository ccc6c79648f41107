"""Every filter: what is asked, what is left, and that it can be taken away."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from pairmill_protos.explorer.v1.search_pb2 import Sample
from tests.browser.conftest import Visit
from tests.browser.waiting import asked, until
from tests.browser.window import PHONE
from tests.fakes.explorer_rules import ENDS, LISTS, number
from tests.fakes.explorer_site import Site

LABELS: Final = {
    "similarity": "Similarity",
    "unsafe_score": "Unsafe",
    "watermark_score": "Watermark",
    "aesthetic_score": "Aesthetic",
    "toxicity": "Toxicity",
    "width": "Width",
    "height": "Height",
    "aspect": "Aspect ratio",
}


def panel(page: Page, field: str) -> Locator:
    """A filter's place in the panel, opened."""
    place = page.locator(f".panel [data-field={field}]").first
    expect(place).to_be_attached()
    place.evaluate("(node) => node.closest('details')?.setAttribute('open', '')")
    return place


def expect_filters(page: Page, site: Site, **wanted: Any) -> None:
    """Waits until these filters are searched with."""
    asked(page, site, "Search", filters={"safe_mode": "SAFE_MODE_HIDE", **wanted})


def expect_admitted(page: Page, site: Site, rule: Callable[[Sample], bool]) -> None:
    """Waits until the panel says how many of the samples that are safe meet a rule."""
    samples = site.explorer.world.samples
    admitted = sum(rule(sample) for sample in samples if not sample.unsafe)
    expect(page.locator(".panel-count")).to_have_text(f"{admitted} of {len(samples)} samples")


@pytest.mark.parametrize("field", LISTS)
def test_values_of_a_list_can_be_chosen_and_taken_away(visit: Visit, site: Site, field: str) -> None:
    page = visit()
    box = panel(page, field).locator("input[type=checkbox]").first
    box.check()
    value = box.get_attribute("data-value")
    chip = page.locator(f".chip[data-field={field}]")
    expect(chip).to_be_visible()
    expect_filters(page, site, **{field: [value]})
    expect_admitted(page, site, lambda sample: getattr(sample, LISTS[field]) == value)
    chip.get_by_role("button").click()
    expect(chip).to_have_count(0)
    expect(page).not_to_have_url(re.compile(field))
    expect_admitted(page, site, lambda _: True)


def test_several_values_of_a_list_add_up_and_keep_their_counts(visit: Visit, site: Site) -> None:
    page = visit("?languages=de")
    values = panel(page, "languages").locator("li")
    expect(values.filter(has_text="French")).to_be_visible()
    values.filter(has_text="French").get_by_role("checkbox").check()
    expect(page).to_have_url(re.compile("languages=de&languages=fr"))
    expect_admitted(page, site, lambda sample: sample.language in ("de", "fr"))


def test_a_long_list_can_be_searched(visit: Visit, site: Site) -> None:
    page = visit()
    hosts = panel(page, "hosts")
    hosts.get_by_label("Find among Host").fill("img07")
    hosts.get_by_role("checkbox").first.check()
    expect(page.locator(".chip[data-field=hosts]")).to_contain_text("img07.example")
    expect_filters(page, site, hosts=["img07.example"])


@pytest.mark.parametrize("field", ENDS)
def test_a_range_can_be_typed(visit: Visit, site: Site, field: str) -> None:
    low, high = ENDS[field]
    cut = round(low + (high - low) * 0.4, 2)
    page = visit()
    least = panel(page, field).get_by_label(f"Least {LABELS[field]}, exactly")
    least.fill(str(cut))
    least.press("Enter")
    expect(page.locator(f".chip[data-field={field}]")).to_contain_text("≥")
    expect_filters(page, site, **{field: {"min": cut}})
    expect_admitted(page, site, lambda sample: (number(sample, field) or -1.0) >= cut)


def test_a_ranges_handles_are_moved_by_keys(visit: Visit, site: Site) -> None:
    page = visit()
    handles = panel(page, "similarity").locator("input[type=range]")
    expect(handles.first).to_have_attribute("max", "400")
    handles.first.press("PageUp")
    handles.last.press("PageDown")
    expect(page).to_have_url(re.compile(r"similarity=[\d.-]+\.\.[\d.]+"))
    until(page, lambda: len(site.requests("Search")[-1]["filters"].get("similarity", ())) == 2)
    bounds = site.requests("Search")[-1]["filters"]["similarity"]
    assert ENDS["similarity"][0] < bounds["min"] < bounds["max"] < ENDS["similarity"][1]
    assert handles.first.get_attribute("aria-valuetext")


def test_a_ranges_handles_do_not_pass_each_other(visit: Visit, site: Site) -> None:
    page = visit("?similarity=0.3..0.4")
    handles = panel(page, "similarity").locator("input[type=range]")
    expect(handles.first).not_to_have_value("0")
    handles.first.press("End")
    expect_filters(page, site, similarity={"min": 0.4, "max": 0.4})


def test_a_text_and_days_can_be_asked_for(visit: Visit, site: Site) -> None:
    page = visit()
    page.get_by_label("Text contains").fill("STAR")
    expect(page.locator(".chip[data-field=text_contains]")).to_contain_text("STAR")
    page.get_by_label("Fetched from").fill("2024-03-02")
    page.get_by_label("until").fill("2024-03-03")
    expect(page.locator(".chip[data-field=fetched_at]")).to_contain_text("2024-03-02 – 2024-03-03")
    expect(page).to_have_url(re.compile("fetched=2024-03-02..2024-03-03"))
    days = {"from": "2024-03-02T00:00:00Z", "before": "2024-03-04T00:00:00.000Z"}
    expect_filters(page, site, text_contains="STAR", fetched_at=days)


def test_all_filters_can_be_reset(visit: Visit, site: Site) -> None:
    page = visit("?languages=en&similarity=0.1..0.9&text=a")
    expect(page.locator(".chip[data-field]")).to_have_count(3)
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(page.locator(".chip[data-field]")).to_have_count(0)
    expect_filters(page, site)


def test_nothing_found_says_how_to_go_on(visit: Visit) -> None:
    page = visit("?text=no such text anywhere")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.locator(".nothing").get_by_role("button", name="Reset filters").click()
    expect(page.locator(".card").first).to_be_visible()


def test_counts_can_be_those_of_the_first_results(visit: Visit, site: Site) -> None:
    page = visit("?q=red")
    page.get_by_role("radio", name="First 1,000 hits").check(force=True)
    asked(page, site, "GetFacets", depth=1000, parts=[{"text": "red"}])


def test_filters_are_a_sheet_on_a_phone(visit: Visit, site: Site) -> None:
    page = visit(window=PHONE)
    page.get_by_role("button", name="Filters").click()
    sheet = page.get_by_role("dialog", name="Filters")
    sheet.get_by_label("filtered").check()
    expect(sheet.locator(".panel-count")).to_contain_text(f"of {len(site.explorer.world.samples)}")
    sheet.get_by_role("button", name="Show results").click()
    expect(sheet).to_have_count(0)
    expect(page.get_by_role("button", name="Filters (1)")).to_be_focused()
    expect_filters(page, site, verdicts=["filtered"])
