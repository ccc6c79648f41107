"""Searching: by text, by image, by sample, by several of them; paging; addresses that can be shared."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import Visit
from tests.browser.waiting import asked, scroll_until, until
from tests.browser.window import DESKTOP, PHONE, Window
from tests.fakes.explorer_site import Site
from tests.fakes.explorer_world import draw

RED: Final = FilePayload(name="red.png", mimeType="image/png", buffer=draw("red", "circle", 640, 480))
GREEN: Final = FilePayload(name="green.png", mimeType="image/png", buffer=draw("green", "star", 480, 640))

_TRANSFER: Final = """
(encoded) => {
  const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "image.png", { type: "image/png" }));
  return transfer;
}
"""


def first_text(page: Page) -> Any:
    return page.locator(".card .card-text").first


def transfer(page: Page, file: FilePayload) -> Any:
    return page.evaluate_handle(_TRANSFER, base64.b64encode(file["buffer"]).decode())


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=lambda window: window.name)
def test_a_text_brings_its_nearest_first(visit: Visit, window: Window) -> None:
    page = visit(window=window)
    box = page.get_by_role("searchbox", name="Search by text")
    box.fill("yellow star")
    box.press("Enter")
    expect(first_text(page)).to_contain_text("yellow star")
    expect(page.locator(".summary")).to_contain_text("nearest first")


def test_an_image_that_is_chosen_brings_its_like(visit: Visit, site: Site) -> None:
    page = visit()
    page.locator("input[type=file]").set_input_files(RED)
    expect(first_text(page)).to_contain_text("red")
    sent = site.requests("Search")[-1]["parts"][0]["image"]
    assert base64.urlsafe_b64decode(sent).startswith(b"\xff\xd8"), "shrunk to a JPEG before it is sent"


def test_an_image_that_is_dropped_or_pasted_brings_its_like(visit: Visit) -> None:
    page = visit()
    dropped = transfer(page, GREEN)
    page.dispatch_event("body", "dragenter", {"dataTransfer": dropped})
    expect(page.get_by_text("Search with this image")).to_be_visible()
    page.dispatch_event(".drop-area[data-combine=false]", "drop", {"dataTransfer": dropped})
    expect(first_text(page)).to_contain_text("green")
    page.evaluate(
        "(data) => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }))",
        transfer(page, RED),
    )
    expect(page.locator(".chip.part")).to_have_count(2)


def test_an_image_can_be_dropped_onto_a_query(visit: Visit) -> None:
    page = visit("?q=star")
    expect(first_text(page)).to_contain_text("star")
    dropped = transfer(page, GREEN)
    page.dispatch_event("body", "dragenter", {"dataTransfer": dropped})
    page.dispatch_event(".drop-area[data-combine=true]", "drop", {"dataTransfer": dropped})
    expect(first_text(page)).to_contain_text("green star")
    expect(page.locator(".chip.part")).to_have_count(2)


def test_a_file_that_is_no_image_is_refused_with_a_word(visit: Visit) -> None:
    page = visit()
    page.locator("input[type=file]").set_input_files(
        FilePayload(name="not.png", mimeType="image/png", buffer=b"no image")
    )
    expect(page.locator("#notices")).to_contain_text("not an image")


def test_more_like_this_searches_by_the_sample(visit: Visit) -> None:
    page = visit("?q=purple triangle")
    card = page.locator(".card").first
    expect(card).to_contain_text("purple triangle")
    sample = card.get_attribute("data-sample")
    card.hover()
    card.get_by_role("button", name="More like this").click()
    expect(page).to_have_url(re.compile(f"like={sample}"))
    expect(page.locator(".card").first).to_have_attribute("data-sample", sample or "")


def test_parts_are_combined_with_weights_and_can_be_negative(visit: Visit, site: Site) -> None:
    page = visit("?q=red")
    expect(first_text(page)).to_contain_text("red")
    box = page.get_by_role("searchbox", name="Search by text")
    box.fill("circle")
    page.get_by_role("button", name="Add the text to the query").click()
    expect(page.locator(".chip.part")).to_have_count(2)
    weight = page.get_by_label("Weight of circle")
    weight.fill("-1")
    weight.press("Tab")
    expect(first_text(page)).to_contain_text(re.compile(r"red (?!circle)"))
    asked(page, site, "Search", parts=[{"text": "red"}, {"text": "circle", "weight": -1}])
    page.get_by_role("button", name="Remove circle").click()
    expect(box).to_have_value("red")


def test_texts_can_be_searched_instead_of_images(visit: Visit, site: Site) -> None:
    page = visit("?q=red")
    expect(first_text(page)).to_contain_text("red")
    page.get_by_role("radio", name="Texts").check(force=True)
    expect(page).to_have_url(re.compile("modality=text"))
    asked(page, site, "Search", modality="MODALITY_TEXT")


def test_near_duplicates_can_be_collapsed(visit: Visit, site: Site) -> None:
    page = visit()
    page.get_by_label("Near-duplicates").select_option("One of alike images")
    expect(page).to_have_url(re.compile("phash=6"))
    asked(page, site, "Search", collapse={"phash_distance": 6})


@pytest.mark.parametrize("window", [DESKTOP, PHONE], ids=lambda window: window.name)
def test_results_go_on_while_one_scrolls(visit: Visit, site: Site, window: Window) -> None:
    page = visit(window=window)
    cards = page.locator(".results-list > .grid > .card")
    expect(cards.first).to_be_visible()
    shown = cards.count()
    assert shown < len(site.explorer.world.samples) - 1
    scroll_until(page, page.get_by_text("That is all."))
    expect(cards).to_have_count(len(site.explorer.world.samples) - 1)
    ids = cards.evaluate_all("(all) => all.map((card) => card.dataset.sample)")
    assert len(set(ids)) == len(ids)


def test_an_address_shows_the_same_to_another_person(visit: Visit) -> None:
    page = visit("?q=blue square&languages=en&similarity=0.2..0.5")
    page.locator("input[type=file]").set_input_files(RED)
    expect(first_text(page)).to_contain_text("red")
    page.get_by_role("searchbox", name="Search by text").fill("blue")
    page.get_by_role("button", name="Add the text to the query").click()
    expect(page.locator(".chip.part")).to_have_count(2)
    expect(page.locator(".results-list [aria-busy]")).to_have_count(0)
    texts = page.locator(".card .card-text").all_text_contents()[:20]
    address = page.url.split("/", 3)[3]
    other = visit(address)
    expect(other.locator(".chip.part")).to_have_count(2)
    expect(other.locator(".chip[data-field=similarity]")).to_contain_text("0.2 – 0.5")
    until(other, lambda: other.locator(".card .card-text").all_text_contents()[:20] == texts)


def test_back_and_forward_bring_what_was_there(visit: Visit) -> None:
    page = visit("?q=red")
    expect(first_text(page)).to_contain_text("red")
    page.get_by_role("searchbox", name="Search by text").fill("green")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(first_text(page)).to_contain_text("green")
    page.evaluate("scrollTo(0, 700)")
    page.get_by_role("link", name="Funnel").click()
    expect(page.get_by_role("heading", name="Funnel")).to_be_visible()
    page.go_back()
    expect(first_text(page)).to_contain_text("green")
    until(page, lambda: page.evaluate("scrollY") == 700)
    page.go_back()
    expect(first_text(page)).to_contain_text("red")
    expect(page.get_by_role("searchbox", name="Search by text")).to_have_value("red")
    page.go_forward()
    expect(first_text(page)).to_contain_text("green")


def test_another_dataset_can_be_picked(visit: Visit, site: Site) -> None:
    page = visit("?q=red")
    page.get_by_label("Dataset", exact=True).select_option("others")
    expect(page).to_have_url(re.compile("dataset=others"))
    expect(first_text(page)).to_contain_text("red")
    asked(page, site, "Search", dataset="others")


def test_without_the_model_only_likes_are_searched(visit: Visit, site: Site) -> None:
    site.explorer.can_encode = False
    page = visit()
    expect(page.get_by_role("searchbox", name="Search by text")).to_be_disabled()
    expect(page.get_by_role("button", name="Search by image")).to_be_disabled()
    page.locator(".card").first.hover()
    page.locator(".card").first.get_by_role("button", name="More like this").click()
    expect(page.locator(".chip.part")).to_have_count(1)


def test_a_dataset_says_what_it_is_and_which_indices_it_has(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="About this dataset").click()
    about = page.get_by_role("dialog", name="drawings")
    expect(about).to_contain_text("drawn 1, 64 dimensions")
    expect(about.get_by_role("row", name="en images 160 IVF64,SQ8")).to_be_visible()
