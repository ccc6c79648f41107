"""What is refused, slow or away, and how the page says so."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.browser.conftest import Visit, visits
from tests.browser.guard import Guard
from tests.browser.waiting import scroll_until
from tests.fakes.explorer_site import TOKEN, Refusal, Site, SiteServer


def test_a_refusal_names_the_field_and_what_is_wrong(visit: Visit, site: Site, guard: Guard) -> None:
    guard.expect("status of 400")
    violations = {"filters.similarity.min": "has to be a number from -1 to 1"}
    site.refusals["Search"] = Refusal(400, "INVALID_ARGUMENT", "the request is wrong", violations)
    page = visit("?similarity=7..")
    alert = page.locator(".results-list").get_by_role("alert")
    expect(alert).to_contain_text("Similarity › min: has to be a number from -1 to 1")
    expect(alert.get_by_role("button", name="Try again")).to_have_count(0)


def test_what_may_work_later_can_be_tried_again(visit: Visit, site: Site, guard: Guard) -> None:
    guard.expect("status of 503")
    site.refusals["Search"] = Refusal(503, "UNAVAILABLE", "the index is being opened")
    page = visit("?q=red")
    alert = page.locator(".results-list").get_by_role("alert")
    expect(alert).to_contain_text("the index is being opened")
    alert.get_by_role("button", name="Try again").click()
    expect(page.locator(".card").first).to_contain_text("red")


def test_a_page_that_fails_leaves_those_before_it(visit: Visit, site: Site, guard: Guard) -> None:
    guard.expect("status of 429")
    refusal = Refusal(429, "RESOURCE_EXHAUSTED", "too many requests", having="cursor")
    site.refusals["Search"] = refusal
    page = visit()
    alert = page.locator(".grid-foot").get_by_role("alert")
    scroll_until(page, alert)
    shown = page.locator(".card").count()
    alert.get_by_role("button", name="Try again").click()
    expect(page.locator(".card").nth(shown)).to_be_attached()


def test_a_slow_answer_does_not_overtake_a_later_one(visit: Visit, site: Site, guard: Guard) -> None:
    page = visit("?q=red")
    expect(page.locator(".card").first).to_contain_text("red")
    site.held.add("Search")
    box = page.get_by_role("searchbox", name="Search by text")
    for text in ("green", "blue"):
        box.fill(text)
        box.press("Enter")
    expect(page.locator(".ghost").first).to_be_visible()
    site.held.clear()
    expect(page.locator(".card:not(.ghost)").first).to_contain_text("blue")
    page.wait_for_load_state("networkidle")
    expect(page.locator(".card").first).to_contain_text("blue")


def test_a_dataset_whose_older_index_serves_is_shown_and_says_what_is_wrong_h1(
    visit: Visit, site: Site
) -> None:
    site.explorer.trouble = "index/segments/x/image.npy does not have the checksum it was written with"
    page = visit("?q=red")
    expect(page.locator(".card").first).to_contain_text("red")
    page.get_by_role("button", name="About this dataset").click()
    expect(page.get_by_role("dialog", name="drawings")).to_contain_text(
        "image.npy does not have the checksum"
    )


def test_a_dataset_that_cannot_be_searched_says_why(visit: Visit, site: Site, guard: Guard) -> None:
    page = visit("?dataset=unknown")
    expect(page.get_by_text("There is no such dataset")).to_be_visible()


def test_a_closed_explorer_asks_for_a_token_once(browser: Browser, sites: SiteServer) -> None:
    site = sites.renew(closed=True)
    guard = Guard(site.address, expected=["status of 401", site.explorer.world.lost_id])
    windows = visits(browser, site.address, guard)
    page = next(windows)("?q=red")
    dialog = page.get_by_role("dialog", name="Sign in")
    dialog.get_by_label("Token").fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).to_contain_text("not known")
    dialog.get_by_label("Token").fill(TOKEN)
    dialog.get_by_label("Token").press("Enter")
    expect(page.locator(".card").first).to_contain_text("red")
    expect(dialog).to_have_count(0)
    assert page.evaluate("document.cookie") == "", "no script can read the session"
    assert next(windows, None) is None
