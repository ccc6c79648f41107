"""A headless Chromium, the page in it, and the fake explorer behind it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.guard import Guard
from tests.browser.window import DESKTOP, Window
from tests.fakes.explorer_site import Site, SiteServer
from tests.fakes.provided import lacking

CHROMIUM: Final = Path("/usr/bin/chromium")
REMEDY: Final = "apt-get install chromium"
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS: Final = 20_000

Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        lacking(f"there is no {CHROMIUM}", REMEDY)
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sites() -> SiteServer:
    return SiteServer()


@pytest.fixture
def site(sites: SiteServer) -> Site:
    return sites.renew()


@pytest.fixture
def guard(site: Site) -> Guard:
    return Guard(site.address, expected=[site.explorer.world.lost_id])


@pytest.fixture
def visit(browser: Browser, site: Site, guard: Guard) -> Iterator[Visit]:
    """Opens an address of the site in a new window; afterwards nothing may have gone wrong in any of them."""
    yield from visits(browser, site.address, guard)


def visits(browser: Browser, origin: str, guard: Guard) -> Iterator[Visit]:
    """Yields a function that opens windows; closes them and looks at what the guard has noted."""
    contexts: list[BrowserContext] = []

    def open_window(address: str = "", window: Window = DESKTOP) -> Page:
        context = browser.new_context(
            viewport={"width": window.width, "height": window.height},
            color_scheme=window.scheme,
            reduced_motion="reduce",
            is_mobile=window.touch,
            has_touch=window.touch,
        )
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        guard.watch(page)
        page.goto(f"{origin}/{address}")
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert guard.unexpected() == []


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where screenshots go, if they are asked for: `PAIRMILL_SCREENSHOTS=out/screenshots`."""
    folder = os.environ.get("PAIRMILL_SCREENSHOTS")
    if not folder:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)
