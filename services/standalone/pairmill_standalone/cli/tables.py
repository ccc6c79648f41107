"""Counts by name as a small table."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table


def print_counts(title: str, counts: Mapping[str, int]) -> None:
    """Prints names with their counts, the most frequent first."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(name, f"{rows:,}")
    Console().print(table)
