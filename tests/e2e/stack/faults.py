"""The table of faults: what was injected into a run, what was seen, and what both oracles said.

It is written by the run itself: with `PAIRMILL_WRITE_RELIABILITY=1` into docs/reliability.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.conftest import REPOSITORY

PAGE: Final = REPOSITORY / "docs" / "reliability.md"
BEGIN: Final = "<!-- seen on the stack: begin -->"
END: Final = "<!-- seen on the stack: end -->"
_HEAD: Final = "| id | injected | seen | books | dataset |\n|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Row:
    """One fault that a run went through."""

    faults: str  # ids, such as `A12`
    injected: str
    seen: str
    books: str = "close"
    dataset: str = "the same"

    def line(self) -> str:
        """Returns the row in Markdown."""
        return f"| {self.faults} | {self.injected} | {self.seen} | {self.books} | {self.dataset} |\n"


@dataclass(slots=True)
class FaultTable:
    """Rows of one session of tests; those that failed never come here."""

    rows: list[Row] = field(default_factory=list)

    def add(self, faults: str, *, injected: str, seen: str, **oracles: str) -> None:
        """Notes a fault after both oracles were asked."""
        self.rows.append(Row(faults=faults, injected=injected, seen=seen, **oracles))

    def write(self, page: Path = PAGE) -> None:
        """Puts the rows into the page, if that is asked for."""
        if os.environ.get("PAIRMILL_WRITE_RELIABILITY") == "1" and self.rows:
            page.write_text(with_table(page.read_text(), self.rows))


def with_table(text: str, rows: list[Row]) -> str:
    """Returns a page with these rows between its marks, in the order of ids; older ones of others stay."""
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    known = {(row.faults, row.injected): row for row in (*_rows(old), *rows)}
    lines = "".join(row.line() for row in sorted(known.values(), key=_order))
    return f"{before}{BEGIN}\n{_HEAD}{lines}{END}{after}"


def _rows(table: str) -> Iterator[Row]:
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith("| id "):
            faults, injected, seen, books, dataset = (cell.strip() for cell in line.strip("| ").split(" | "))
            yield Row(faults=faults, injected=injected, seen=seen, books=books, dataset=dataset)


def _order(row: Row) -> tuple[str, int, str]:
    """By the first of its ids."""
    first = row.faults.split(",")[0]
    return first[0], int(first[1:]), row.injected
