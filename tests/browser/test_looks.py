"""How it looks and is reached: sizes, colours, keys.

With `PAIRMILL_SCREENSHOTS=<folder>`, pictures of every view are written there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.window import ALL, DESKTOP, DESKTOP_DARK, PHONE, Window
from tests.fakes.explorer_site import Site

VIEWS: Final = {
    "explore": "?q=red circle",
    "combined": "?q=red&q=-0.5*circle&languages=en&similarity=0.2..0.5",
    "blurred": "?safe=blur&text=unscored",
    "empty": "?text=no such text",
    "funnel": "?view=funnel",
    "dropped": "?view=dropped",
    "threshold": "?view=threshold&cut=0.3",
    "subset": "?view=subsets&subset=new&q=red circle&languages=en",
    "subsets": "?view=subsets",
}
LEAST_CONTRAST: Final = 4.5

_CONTRASTS: Final = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [x, y, z] = [r, g, b].map((c) => linear(c / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgba("white");
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility({ opacityProperty: true })) continue;
    if (node.closest("noscript, option, .skip, :disabled, .empty, svg, [aria-busy]")) continue;
    const [one, other] = [luminance(rgba(getComputedStyle(node).color)), luminance(ground(node))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const text = walker.currentNode.textContent.trim().slice(0, 40);
    found.push([Math.round(contrast * 100) / 100, node.className, text]);
  }
  return found;
}
"""


def settled(page: Page) -> None:
    expect(page.locator("main > *").first).to_be_visible()
    expect(page.locator(".loading, .ghost, [aria-busy]")).to_have_count(0)


@pytest.mark.parametrize("window", ALL, ids=lambda window: window.name)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_fits_its_window_and_can_be_read(
    visit: Visit, pictures: Path | None, view: str, window: Window
) -> None:
    page = visit(VIEWS[view], window)
    settled(page)
    if pictures:
        page.screenshot(path=pictures / f"{view}-{window.name}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing to scroll sideways"
    contrasts = page.evaluate(_CONTRASTS)
    assert len(contrasts) > 8
    assert [entry for entry in contrasts if entry[0] < LEAST_CONTRAST] == []


@pytest.mark.parametrize("window", ALL, ids=lambda window: window.name)
def test_the_detail_fits_its_window_and_can_be_read(
    visit: Visit, site: Site, pictures: Path | None, window: Window
) -> None:
    page = visit(f"?q=red circle&sample={site.explorer.world.samples[20].sample_id}", window)
    expect(page.locator(".detail .scores")).to_be_visible()
    settled(page)
    if pictures:
        page.screenshot(path=pictures / f"detail-{window.name}.png")
    assert page.evaluate("document.querySelector('.dialog-body').scrollWidth <= innerWidth")
    assert [entry for entry in page.evaluate(_CONTRASTS) if entry[0] < LEAST_CONTRAST] == []


@pytest.mark.parametrize("window", [PHONE], ids=lambda window: window.name)
def test_the_filter_sheet_fits_a_phone(visit: Visit, pictures: Path | None, window: Window) -> None:
    page = visit("", window)
    settled(page)
    page.get_by_role("button", name="Filters").click()
    if pictures:
        page.screenshot(path=pictures / f"filters-{window.name}.png")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_system_says_light_or_dark_until_the_user_does(visit: Visit) -> None:
    page = visit(window=DESKTOP_DARK)
    settled(page)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Theme: as the system").click()
    light = page.evaluate(ground)
    assert dark != light
    page.reload()
    settled(page)
    assert page.evaluate(ground) == light
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()


def test_everything_is_reached_by_keys(visit: Visit) -> None:
    page = visit()
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to results")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search by text")).to_be_focused()
    page.keyboard.type("green star")
    page.keyboard.press("Enter")
    cards = page.locator(".card-open")
    expect(page.locator(".card-text").first).to_contain_text("green star")
    cards.first.focus()
    page.keyboard.press("ArrowRight")
    expect(cards.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    columns = page.evaluate(
        "[...document.querySelectorAll('.card')].indexOf(document.activeElement.closest('.card')) - 1"
    )
    assert columns > 1
    page.keyboard.press("ArrowUp")
    expect(cards.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Sample")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("m")
    expect(page.locator(".chip.part")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()


def test_the_focus_stays_on_what_was_changed(visit: Visit) -> None:
    page = visit("?q=red&q=-1*star")
    settled(page)
    box = page.get_by_role("checkbox", name="English (en)")
    box.focus()
    page.keyboard.press("Space")
    expect(page.locator(".chip[data-field=languages]")).to_be_visible()
    settled(page)
    expect(box).to_be_checked()
    expect(box).to_be_focused()
    page.get_by_role("radio", name="Images").focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    expect(page.get_by_role("radio", name="Texts")).to_be_focused()
    weight = page.get_by_label("Weight of star")
    weight.fill("-2")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"-2\*star"))
    expect(weight).to_be_focused()


def test_the_focus_can_be_seen(visit: Visit) -> None:
    page = visit(window=DESKTOP)
    settled(page)
    for _ in range(12):
        page.keyboard.press("Tab")
        style = "getComputedStyle(document.activeElement)"
        assert page.evaluate(
            f"{style}.outlineStyle !== 'none' || document.activeElement.matches('[type=radio]')"
        )
