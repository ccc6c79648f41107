"""Counts by name as a small table."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from pairmill_standalone.cli.exits import say


def print_counts(title: str, counts: Mapping[str, int]) -> None:
    """Prints names with their counts below a title, the most frequent first."""
    say(title)
    table = Table(show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, rows in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(name, f"{rows:,}")
    Console().print(table)
