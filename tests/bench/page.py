"""Writes figures into a page, between markers that name the benchmark."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.bench.figures import Result, markdown_table

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def write_result(page: Path, result: Result, measured_with: str) -> None:
    """Replaces what a page says of a benchmark; raises LookupError where it has no place for it."""
    page.write_text(with_result(page.read_text(), result, measured_with))


def with_result(text: str, result: Result, measured_with: str) -> str:
    """Returns a page's text with the figures of a benchmark in their place."""
    begin, end = f"<!-- {result.name}: begin -->", f"<!-- {result.name}: end -->"
    place = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if place.search(text) is None:
        raise LookupError(f"the page has no lines {begin} and {end}")
    setup = result.setup[0].upper() + result.setup[1:]
    section = f"{begin}\n{setup}.\n\n{markdown_table(result)}\n\nMeasured: {measured_with}.\n{end}"
    return place.sub(lambda _: section, text)
