"""How an index and its making are shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pairmill_index.check import IndexReport
from pairmill_index.manifest import EXACT, Current, IndexVersion, Segment, VectorIndex
from pairmill_index.progress import Progress as BuildProgress
from pairmill_standalone.cli.exits import say

_UNPAIRED: Final = {
    "embeddings": "{:,} embedded samples have no row in data/ and are not in the index",
    "rows": "{:,} rows of data/ have no embedding and are not in the index",
}


@contextmanager
def build_progress() -> Iterator[BuildProgress]:
    """Gives a callback that shows how far a build is, in a terminal; without one a line for each step."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield _StepLines()
        return
    step = TextColumn("index: {task.description}")
    with Progress(
        step, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda step, done, total: progress.update(task, description=step, completed=done, total=total)


class _StepLines:
    """Writes a line when a step begins."""

    def __init__(self) -> None:
        self._step = ""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Takes what a build says of its progress."""
        if step != self._step:
            self._step = step
            sys.stderr.write(f"pairmill: index: {step}\n")
            sys.stderr.flush()


def index_facts(version: IndexVersion, dataset_version: str, current: Current) -> dict[str, Any]:
    """Returns what is to be known of the version that serves."""
    unpaired = None if version.unpaired is msgspec.UNSET else msgspec.to_builtins(version.unpaired)
    return {
        "version": current.version,
        "dataset_version": version.dataset_version,
        "is_up_to_date": version.dataset_version == dataset_version,
        "model": version.model,
        "dimensions": version.dimensions,
        "rows": version.rows,
        "served_rows": version.samples,
        "removed_rows": version.removed_rows,
        "gone_rows": sum(segment.gone_rows for segment in version.segments),
        "unpaired": unpaired,
        "lists_bytes": sum(_list_bytes(segment) for segment in version.segments),
        "memory_bytes": version.options.memory_bytes,
        "latency_ms": version.options.latency_ms,
        "min_recall": version.options.min_recall,
        "only_kept": version.options.only_kept,
        "segments": [_segment_facts(segment) for segment in version.segments],
        "earlier_versions": [past.version for past in current.past],
    }


def _list_bytes(segment: Segment) -> int:
    """Returns the bytes of a segment's lists with their centroids."""
    return sum(file.bytes for file in segment.files if file.path.endswith(".faiss"))


def _segment_facts(segment: Segment) -> dict[str, Any]:
    return {
        "segment": segment.segment_id,
        "bucket": segment.bucket,
        "rows": segment.rows,
        "bytes": sum(file.bytes for file in segment.files),
        "indices": [_vector_index_facts(index, segment) for index in segment.indices],
    }


def _vector_index_facts(index: VectorIndex, segment: Segment) -> dict[str, Any]:
    facts: dict[str, Any] = {"modality": index.modality.value, "kind": index.kind}
    if index.kind == EXACT:
        return facts
    facts |= {
        "lists": index.lists,
        "probes": index.probes,
        "candidates": index.candidates,
        "trained_on": index.trained_on,
        "trained_by": index.trained_by,
        "bytes": sum(file.bytes for file in segment.files if file.path.endswith(f"/{index.modality}.faiss")),
    }
    if index.measured is not None:
        measured = index.measured
        facts["measured"] = {
            "queries": measured.queries,
            "recall_at_1": measured.recall_at_1,
            "recall_at_10": measured.recall_at_10,
            "recall_at_100": measured.recall_at_100,
            "p50_ms": measured.p50_ms,
            "p95_ms": measured.p95_ms,
        }
    return facts


def print_index(facts: dict[str, Any]) -> None:
    """Prints the facts as a table, with a line above."""
    state = "" if facts["is_up_to_date"] else "; the dataset has another version now: pairmill index add"
    say(f"index {facts['version'][:12]} of {facts['model']}, {facts['dimensions']} dimensions{state}")
    table = Table()
    for column in ("bucket", "rows", "MB", "vectors", "kind", "probes", "recall@1 10 100", "p50 p95 ms"):
        table.add_column(column, justify="left" if column in ("bucket", "vectors", "kind") else "right")
    for segment in facts["segments"]:
        for place, index in enumerate(segment["indices"]):
            whole = (segment["bucket"], f"{segment['rows']:,}", f"{segment['bytes'] / 1e6:,.1f}")
            table.add_row(*(whole if place == 0 else ("", "", "")), *_cells(index))
    Console().print(table)
    if facts["lists_bytes"] > facts["memory_bytes"]:
        say(
            f"its lists take {facts['lists_bytes']:,} bytes, above the {facts['memory_bytes']:,} asked for; "
            "smaller ones: pairmill index compact"
        )
    for what, count in (facts["unpaired"] or {}).items():
        if count:
            say(_UNPAIRED[what].format(count))


def _cells(index: dict[str, Any]) -> tuple[str, ...]:
    if index["kind"] == EXACT:
        return (index["modality"], "exact", "", "", "")
    measured = index.get("measured")
    if measured is None:
        return (index["modality"], index["kind"], f"{index['probes']} of {index['lists']}", "", "")
    recalls = " ".join(f"{measured[name]:.3f}" for name in ("recall_at_1", "recall_at_10", "recall_at_100"))
    times = f"{measured['p50_ms']:.2f} {measured['p95_ms']:.2f}"
    return (index["modality"], index["kind"], f"{index['probes']} of {index['lists']}", recalls, times)


def check_facts(report: IndexReport) -> dict[str, Any]:
    """Returns what a check came to."""
    return {
        "is_sound": report.is_sound,
        "version": report.version,
        "rows": report.rows,
        "removed_rows": report.removed,
        "files": report.files,
        "bytes": report.bytes,
        "recall_at_10": report.recall_at_10,
        "findings": report.findings,
    }


def print_check(report: IndexReport) -> None:
    """Prints the findings, and what was looked at."""
    for finding in report.findings:
        say(finding)
    for name, found in report.recall_at_10.items():
        say(f"{name}: recall@10 {found:.3f}")
    end = "it is sound" if report.is_sound else f"{len(report.findings):,} finding(s)"
    say(f"{report.files:,} files, {report.bytes:,} bytes, {report.rows:,} samples: {end}")
