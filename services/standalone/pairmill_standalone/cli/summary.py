"""How a dataset came about, printed at the end of a run."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from pairmill.dataset.manifest import FunnelRow, Manifest, read_manifest
from pairmill_standalone.cli.exits import say_json


def print_summary(out: Path, *, as_json: bool) -> None:
    """Prints the funnel and where to look; as JSON the manifest without its files."""
    manifest = read_manifest(out)
    if as_json:
        facts = {
            "state": manifest.state,
            "version": manifest.version,
            "out": str(out),
            "funnel": [row.as_dict() for row in manifest.funnel],
        }
        say_json(facts)
        return
    console = Console()
    console.print(funnel_table(manifest))
    console.print(f"dataset  {out / 'dataset.json'}")
    console.print(f"report   {out / 'report.html'}")


def funnel_table(manifest: Manifest) -> Table:
    """Returns the funnel as a table: a row per stage, outcome and reason."""
    table = Table(title=f"{manifest.profile}: {manifest.state}", title_justify="left")
    for column, justify in (("stage", "left"), ("outcome", "left"), ("reason", "left"), ("rows", "right")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    previous = ""
    for row in manifest.funnel:
        if row.stage != previous and previous:
            table.add_section()
        table.add_row(row.stage if row.stage != previous else "", row.outcome, row.reason, f"{row.count:,}")
        previous = row.stage
    return table


def total_of(manifest: Manifest, outcome: str) -> int:
    """Returns the candidates with an outcome in the final funnel."""
    return sum(row.count for row in final_rows(manifest) if row.outcome == outcome)


def final_rows(manifest: Manifest) -> list[FunnelRow]:
    """Returns the rows of the funnel that say how candidates ended."""
    return [row for row in manifest.funnel if row.stage == "dataset"]
