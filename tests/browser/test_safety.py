"""What strangers put into a dataset, and what not everybody wants to see."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.guard import Guard
from tests.fakes.explorer_site import Site
from tests.fakes.explorer_world import JAVASCRIPT, SCRIPT


def choose(page: Page, mode: str) -> None:
    page.get_by_role("group", name="Unsafe and unscored").get_by_role("radio", name=mode).check(force=True)


def test_h6_unsafe_and_unscored_samples_are_hidden_until_asked_for(visit: Visit, site: Site) -> None:
    page = visit("?text=unscored")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    expect(page.locator(".panel-count")).to_contain_text("0 of")
    unscored = site.explorer.world.unscored_id
    assert site.images[unscored] == 0
    choose(page, "Blurred")
    found = page.locator(f".card[data-sample='{unscored}']")
    expect(found.locator(".picture")).to_have_class(re.compile("covered"))
    found.get_by_role("button", name="Show").click()
    expect(found.locator(".picture")).not_to_have_class(re.compile("covered"))


def test_h6_showing_everything_is_asked_once(visit: Visit, site: Site) -> None:
    page = visit("?text=unscored")
    choose(page, "Shown")
    question = page.get_by_role("dialog", name="Show unsafe samples?")
    question.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("radio", name="Hidden")).to_be_checked()
    choose(page, "Shown")
    question.get_by_role("button", name="Show them").click()
    picture = page.locator(f".card[data-sample='{site.explorer.world.unscored_id}'] .picture")
    expect(picture).not_to_have_class(re.compile("covered"))
    choose(page, "Hidden")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    choose(page, "Shown")
    expect(picture).to_be_visible()
    expect(question).to_have_count(0)


def test_h6_an_address_alone_shows_nothing_unsafe(visit: Visit, site: Site) -> None:
    page = visit("?text=unscored&safe=show")
    picture = page.locator(f".card[data-sample='{site.explorer.world.unscored_id}'] .picture")
    expect(picture).to_have_class(re.compile("covered"))
    assert site.requests("Search")[-1]["filters"]["safe_mode"] == "SAFE_MODE_BLUR"


def test_h6_the_detail_of_an_unsafe_sample_is_covered(visit: Visit, site: Site) -> None:
    page = visit(f"?sample={site.explorer.world.unscored_id}")
    expect(page.locator(".detail-picture .picture")).to_have_class(re.compile("covered"))


def test_h5_markup_in_a_text_is_only_text(visit: Visit, site: Site) -> None:
    page = visit("?text=zebra")
    expect(page.locator(".card .card-text")).to_have_text(f"zebra {SCRIPT}")
    page.locator(".card-open").click()
    expect(page.locator(".detail-text")).to_have_text(f"zebra {SCRIPT}")
    assert "owned" not in page.title()
    assert page.locator("main script, dialog script, img[src=x]").count() == 0


def test_h5_an_address_that_is_a_script_is_no_link(visit: Visit, site: Site) -> None:
    page = visit(f"?sample={site.explorer.world.hostile_id}")
    expect(page.locator(".detail")).to_contain_text(JAVASCRIPT)
    expect(page.locator(".detail").get_by_text("not a web address").first).to_be_visible()
    assert page.locator("a[href^='javascript' i]").count() == 0
    assert page.locator(".detail .outside button").count() == 0


def test_h5_nothing_outside_is_visited_without_a_question(visit: Visit, site: Site, guard: Guard) -> None:
    sample = site.explorer.world.samples[20]
    page = visit(f"?sample={sample.sample_id}")
    page.get_by_role("button", name="Open the image elsewhere").first.click()
    question = page.get_by_role("dialog", name="Leave Pairmill?")
    link = question.get_by_role("link", name=f"Open {sample.host}")
    expect(link).to_have_attribute("rel", re.compile("noopener noreferrer"))
    expect(link).to_have_attribute("href", sample.url)
    question.get_by_role("button", name="Stay").click()
    expect(question).to_have_count(0)
    assert guard.unexpected() == []


def test_h7_an_image_that_is_gone_has_a_placeholder_and_the_row_stays(visit: Visit, site: Site) -> None:
    page = visit("?text=a lost picture")
    lost = page.locator(f".card[data-sample='{site.explorer.world.lost_id}']")
    expect(lost).to_contain_text("Image not available")
    expect(lost).to_contain_text("a lost picture")


def test_h7_an_image_that_was_not_kept_is_not_asked_for(visit: Visit, site: Site) -> None:
    page = visit("?text=a bare picture")
    expect(page.locator(".card:not(.ghost)")).to_contain_text("Image not kept")
    page.locator(".card-open").click()
    expect(page.locator(".detail")).to_contain_text("Image not kept")
    assert site.images[site.explorer.world.bare_id] == 0
