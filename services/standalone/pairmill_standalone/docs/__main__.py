"""Writes the generated pages, or says with `--check` which are stale."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from pairmill_standalone.docs.metrics import metrics_page
from pairmill_standalone.docs.reasons import reasons_page
from pairmill_standalone.docs.service_pages import service_page
from pairmill_standalone.docs.settings import SERVICES, settings_page

PAGES: Final[Mapping[str, Callable[[Path], str]]] = {
    "docs/reasons.md": lambda root: reasons_page(),
    "docs/settings.md": settings_page,
    "docs/metrics.md": metrics_page,
    **{f"services/{service}/README.md": partial(service_page, service=service) for service in SERVICES},
}


def main(arguments: Sequence[str], root: Path) -> int:
    """Returns 1 where `--check` finds a stale page, else 0."""
    stale = [path for path, page in PAGES.items() if _text(root / path) != page(root)]
    if "--check" in arguments:
        for path in stale:
            sys.stderr.write(f"{path} is stale; run `make docs`\n")
        return 1 if stale else 0
    for path in stale:
        (root / path).write_text(PAGES[path](root))
        sys.stdout.write(f"wrote {path}\n")
    return 0


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path.cwd()))
