"""Waiting for what a page does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from playwright.sync_api import Locator, Page

from tests.fakes.explorer_site import Site

SECONDS: Final = 20.0
STEP_MS: Final = 20


def until(page: Page, condition: Callable[[], bool]) -> None:
    """Returns once a condition holds, letting the page go on meanwhile; fails after some time."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        page.wait_for_timeout(STEP_MS)


def asked(page: Page, site: Site, method: str, **wanted: Any) -> dict[str, Any]:
    """Waits until the last request of a method has these fields; returns it."""

    def is_there() -> bool:
        requests = site.requests(method)
        return bool(requests) and all(requests[-1].get(name) == value for name, value in wanted.items())

    until(page, is_there)
    return site.requests(method)[-1]


def scroll_until(page: Page, there: Locator) -> None:
    """Scrolls to the end again and again until something is there."""

    def is_there() -> bool:
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        return there.count() > 0

    until(page, is_there)
