"""What no page may do, whatever a test does with it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from playwright.sync_api import ConsoleMessage, Page, Request

_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`);
});
"""


@dataclass
class Guard:
    """Notes errors on the console, breaches of the content security policy, and requests to other origins."""

    origin: str
    troubles: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Looks at a page from now on."""
        page.add_init_script(_VIOLATIONS)
        page.on("console", self._spoken)
        page.on("pageerror", lambda error: self.troubles.append(f"uncaught: {error}"))
        page.on("request", self._asked)

    def expect(self, pattern: str) -> None:
        """Lets a test provoke what it says."""
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        """Returns what happened and was not announced."""
        return [text for text in self.troubles if not any(re.search(each, text) for each in self.expected)]

    def _spoken(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "blob:")):
            self.troubles.append(f"asked elsewhere: {request.url}")
