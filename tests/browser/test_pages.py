"""Funnel, dropped candidates, thresholds."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.fakes.explorer_site import Site


def test_the_funnel_is_drawn_stage_by_stage(visit: Visit) -> None:
    page = visit("?view=funnel")
    expect(page.locator(".stage")).to_have_count(4)
    bar = page.get_by_role("img", name="crawl: given 900; passed 520, dropped 380")
    expect(bar.locator("rect")).to_have_count(2)
    page.get_by_text("Why failed: 2 reasons").first.click()
    page.get_by_role("link", name="robots disallowed").first.click()
    expect(page).to_have_url(re.compile("view=dropped&reason=robots_disallowed"))


def test_what_was_filtered_can_be_looked_at_from_the_funnel(visit: Visit) -> None:
    page = visit("?view=funnel")
    page.get_by_text("Why filtered: 1 reason").first.click()
    page.get_by_role("link", name="low similarity").first.click()
    expect(page.locator(".chip[data-field=reasons]")).to_contain_text("low similarity")
    expect(page.locator(".card .verdict-filtered").first).to_have_text("low similarity")


def test_dropped_candidates_are_listed_by_reason(visit: Visit) -> None:
    page = visit("?view=dropped")
    expect(page.get_by_role("button", name="All reasons 200")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="robots disallowed 80").click()
    rows = page.locator(".dropped-row")
    expect(rows.first).to_contain_text("Disallow: /")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Load more").click()
    expect(rows).to_have_count(80)
    expect(page.get_by_text("That is all.")).to_be_visible()


def test_a_threshold_shows_what_it_would_keep_by_language(visit: Visit, site: Site) -> None:
    page = visit("?view=threshold&cut=0.3")
    safe = [sample for sample in site.explorer.world.samples if not sample.unsafe]
    kept = sum(sample.similarity >= 0.3 for sample in safe)
    expect(page.locator(".cut-sum")).to_contain_text(f"{kept} of {len(safe)} would be kept")
    english = sum(sample.similarity >= 0.3 and sample.language == "en" for sample in safe)
    expect(page.get_by_role("row", name="English (en)")).to_contain_text(str(english))
    for side in ("Just kept", "Just left out"):
        expect(page.get_by_role("region", name=side).locator(".card")).to_have_count(12)


def test_a_threshold_moves_by_keys_and_becomes_a_filter(visit: Visit) -> None:
    page = visit("?view=threshold&cut=0.3")
    expect(page.locator(".cut-sum")).to_be_visible()
    slider = page.get_by_role("slider", name="Threshold")
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"cut=0\.30[1-9]"))
    page.get_by_role("button", name="Use as filter").click()
    expect(page.locator(".chip[data-field=similarity]")).to_contain_text("≥ 0.30")


def test_a_threshold_of_a_score_that_is_bad_keeps_what_is_below(visit: Visit) -> None:
    page = visit("?view=threshold")
    page.get_by_label("Score").select_option("Watermark")
    expect(page.locator(".cut-sum")).to_contain_text("watermark is below 0.5")
    page.get_by_role("button", name="Use as filter").click()
    expect(page.locator(".chip[data-field=watermark_score]")).to_contain_text("≤ 0.5")
