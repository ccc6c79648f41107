"""One sample with all that is known of it, and the report of one."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from pairmill_protos.explorer.v1.search_service_pb2 import ReportKind
from tests.browser.conftest import Visit
from tests.browser.guard import Guard
from tests.browser.window import PHONE
from tests.fakes.explorer_site import Refusal, Site


def test_a_sample_shows_scores_provenance_evidence_and_all_columns(visit: Visit, site: Site) -> None:
    page = visit("?q=red circle")
    page.locator(".card-open").first.click()
    detail = page.get_by_role("dialog", name="Sample")
    for title in ("Scores", "Where it was found", "Consent evidence", "Decision"):
        expect(detail.get_by_role("heading", name=title)).to_be_visible()
    expect(detail.locator(".scores dt")).to_have_text(
        ["Cosine with the query", "Similarity", "Aesthetic", "Unsafe", "Watermark", "Toxicity"]
    )
    detail.get_by_text("All columns of the sample").click()
    expect(detail.locator(".all-columns").first.locator("th")).to_have_count(11)
    detail.get_by_text("All columns of the fetch").click()
    expect(detail.get_by_role("row", name="http_status 200")).to_be_visible()


def test_arrows_step_through_results_and_escape_closes(visit: Visit) -> None:
    page = visit("?q=red circle")
    cards = page.locator(".card")
    cards.first.locator(".card-open").click()
    expect(page.get_by_role("button", name="Result before")).to_be_disabled()
    second = cards.nth(1).get_attribute("data-sample")
    expect(page.locator(".detail .scores")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(f"sample={second}"))
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("sample="))
    expect(cards.first.locator(".card-open")).to_be_focused()
    page.go_forward()
    expect(page.get_by_role("dialog", name="Sample")).to_be_visible()


def test_the_focus_stays_within_an_open_dialog(visit: Visit, site: Site) -> None:
    page = visit(f"?sample={site.explorer.world.samples[20].sample_id}")
    expect(page.locator(".detail .scores")).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        inside = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        assert page.evaluate(inside)


def test_back_closes_a_sample_on_a_phone(visit: Visit) -> None:
    page = visit("?q=red circle", window=PHONE)
    page.locator(".card-open").first.click()
    expect(page.locator(".detail .scores")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".card").first).to_be_visible()


def test_a_sample_that_is_not_there_says_so(visit: Visit) -> None:
    page = visit(f"?sample={'0' * 32}")
    expect(page.get_by_role("alert")).to_contain_text("no sample with this id")


def test_a_report_is_filed(visit: Visit, site: Site) -> None:
    sample = site.explorer.world.samples[20].sample_id
    page = visit(f"?sample={sample}")
    page.get_by_role("button", name="Report", exact=True).click()
    form = page.get_by_role("dialog", name="Report this sample")
    form.get_by_label("What is wrong").select_option("It shows or names a person who wants it gone")
    form.get_by_label("In your words").fill("That is me.")
    form.get_by_label("How to reach you").fill("me@example.org")
    form.get_by_role("button", name="Send report").click()
    expect(form).to_contain_text("report-1")
    (filed,) = site.explorer.reports
    assert (filed.sample_id, filed.message, filed.contact) == (sample, "That is me.", "me@example.org")
    assert filed.kind == ReportKind.REPORT_KIND_PRIVACY


def test_a_report_that_is_refused_can_be_mended_and_sent_again(
    visit: Visit, site: Site, guard: Guard
) -> None:
    guard.expect("status of 400")
    page = visit(f"?sample={site.explorer.world.samples[20].sample_id}")
    page.get_by_role("button", name="Report", exact=True).click()
    form = page.get_by_role("dialog", name="Report this sample")
    site.refusals["ReportSample"] = Refusal(
        400, "INVALID_ARGUMENT", "the request is wrong", {"message": "say what is wrong"}
    )
    form.get_by_role("button", name="Send report").click()
    expect(form.get_by_role("alert")).to_contain_text("say what is wrong")
    form.get_by_label("In your words").fill("It is mine.")
    form.get_by_role("button", name="Send report").click()
    expect(form).to_contain_text("report-1")


def test_more_like_this_leaves_the_detail(visit: Visit) -> None:
    page = visit("?q=red circle")
    page.locator(".card-open").first.click()
    page.get_by_role("dialog").get_by_role("button", name="More like this").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".chip.part")).to_have_count(1)
