"""The generated sections of a service's README: its variables and its measures."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Final

from pairmill_standalone.docs.measures import RPC, all_measures
from pairmill_standalone.docs.metrics import measures_table
from pairmill_standalone.docs.settings import SERVICES, SHARED, service_tables, shared_by

CALLED: Final = ("gateway", "explorer")
"""Services with an API, whose measures stand in their pages too."""

UNLIKE_STAGES: Final = (*CALLED, "indexer")
"""Services that have all their settings themselves, but for those of outside things."""

_PAGE: Final = "../../docs"


def service_page(root: Path, service: str) -> str:
    """Returns a service's README with its generated sections as they should be.

    A section stands between `<!-- settings -->` and `<!-- end of settings -->`. Raises ValueError where
    one is missing.
    """
    page = (root / "services" / service / "README.md").read_text()
    for section, text in (("settings", _settings(service)), ("metrics", _metrics(root, service))):
        page = _replaced(page, section, text, service)
    return page


def _replaced(page: str, section: str, text: str, service: str) -> str:
    pattern = re.compile(rf"(<!-- {section} -->\n).*?(<!-- end of {section} -->)", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the README of {service} has no place for its {section}")
    return pattern.sub(lambda found: found[1] + text + found[2], page)


def _settings(service: str) -> str:
    config = getattr(importlib.import_module(f"pairmill_{service}.config"), SERVICES[service])
    page = f"{_PAGE}/settings.md"
    links = [f"[{SHARED[name].title}]({page}#{SHARED[name].anchor})" for name in shared_by(config)]
    if service not in UNLIKE_STAGES:
        links = [f"[every stage]({page}#every-stage)"]
    return f"Besides those of {' and '.join(links)}:\n\n" + service_tables(service)


def _metrics(root: Path, service: str) -> str:
    owners = (service, RPC) if service in CALLED else (service,)
    measures = [measure for measure in all_measures(root) if measure.owner in owners]
    shared = "every service" if service in CALLED else "every stage"
    link = f"[{shared}]({_PAGE}/metrics.md#{shared.replace(' ', '-')})"
    if not measures:
        return f"Those of {link}.\n"
    return f"Besides those of {link}:\n\n" + measures_table(measures)
