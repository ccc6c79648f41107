"""How many records and links a crawl and a plan leave out, by reason."""

from __future__ import annotations

from collections import Counter
from typing import Final, TypeAlias

from pairmill_synthweb.world import DEFECT_DROPS, Defect, Page, World

Counts: TypeAlias = "Counter[tuple[str, str, str]]"
"""Rows by (stage, outcome, reason)."""

_WITHOUT_LINKS_PER_PAGE: Final = 2  # the records of its request and of its fetch
_WITHOUT_LINKS_PER_WAT: Final = 1  # the record of the file itself


def counts_of(world: World) -> Counts:
    """Returns what crawl and plan have to count over all WATs of a world.

    A page counts as its links, a record without links as one row.
    """
    counts: Counts = Counter()
    planned: set[int] = set()
    for wat in world.wats:
        counts["crawl", "dropped", "no_html_metadata"] += _WITHOUT_LINKS_PER_WAT
        for record in wat.records:
            if isinstance(record, Defect):
                counts["crawl", "dropped", DEFECT_DROPS[record]] += 1
            else:
                _count_page(record, counts, planned)
    return counts


def _count_page(page: Page, counts: Counts, planned: set[int]) -> None:
    counts["crawl", "dropped", "no_html_metadata"] += _WITHOUT_LINKS_PER_PAGE
    for link in page.links:
        if link.drop_stage == "crawl":
            counts["crawl", "dropped", link.drop] += 1
            continue
        counts["crawl", "passed", ""] += 1
        if link.drop:
            counts["plan", "dropped", link.drop] += 1
        elif link.candidate in planned:
            counts["plan", "dropped", "duplicate_sample"] += 1
        else:
            planned.add(link.candidate)
            counts["plan", "passed", ""] += 1
