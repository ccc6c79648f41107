"""Subsets and exports as a person reads them, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from pairmill.clock import Clock
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    DiffExportsResponse,
    Export,
    ExportFormat,
    ExportState,
    PreviewSubsetResponse,
    Subset,
    WatchExportRequest,
)
from pairmill_standalone.cli.exits import complain, say, say_json
from pairmill_standalone.cli.subset_place import Subsets

_LOG_SECONDS: Final = 10.0


class _View(Protocol):
    def show(self, export: Export) -> None: ...


class _Bar:
    """A bar over the samples of an export."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("choosing", total=None, bytes="")

    def show(self, export: Export) -> None:
        """Shows the latest."""
        self._progress.update(
            self._task,
            description="writing" if export.samples_total else "choosing",
            total=export.samples_total or None,
            completed=export.samples_done,
            bytes=decimal(export.bytes_done),
        )


class _Lines:
    """A line now and then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = clock.monotonic() + _LOG_SECONDS

    def show(self, export: Export) -> None:
        """Writes a line if it is time."""
        if self._clock.monotonic() >= self._next:
            self._next = self._clock.monotonic() + _LOG_SECONDS
            done = f"{export.samples_done:,} of {export.samples_total:,} samples"
            complain(f"export {export.export_id}: {done}, {decimal(export.bytes_done)}")


def follow(desk: Subsets, export: Export, clock: Clock) -> Export:
    """Shows an export's progress on stderr until it has ended, and returns it then."""
    with _view(clock) as view:
        for response in desk.watch_export(WatchExportRequest(export_id=export.export_id)):
            export = response.export
            view.show(export)
    return export


def subset_facts(subset: Subset) -> dict[str, Any]:
    """Returns a recipe as plain values."""
    return _facts(subset)


def export_facts(export: Export) -> dict[str, Any]:
    """Returns an export as plain values; counts are numbers."""
    counts = ("samples_total", "samples_done", "bytes_done", "without_image")
    return _facts(export) | {name: getattr(export, name) for name in counts}


def state_word(export: Export) -> str:
    """Returns an export's state as people read it, such as `running`."""
    return _word(ExportState.Name(export.state), "EXPORT_STATE_")


def trouble_of(export: Export) -> str:
    """Returns why an export that has ended is not complete; nothing if it is."""
    if export.state == ExportState.EXPORT_STATE_COMPLETE:
        return ""
    return export.error or "cancelled elsewhere; what it wrote is removed"


def print_subsets(subsets: Iterable[Subset]) -> None:
    """Prints recipes as a table."""
    table = Table("name", "revision", "digest", "description")
    for subset in subsets:
        table.add_row(subset.recipe.name, str(subset.revision), subset.digest[:12], subset.recipe.description)
    _print(table, "no recipes")


def print_exports(exports: Iterable[Export]) -> None:
    """Prints exports as a table."""
    table = Table(Column("export", no_wrap=True), "recipe", "format", "state", "samples", "bytes")
    for export in exports:
        table.add_row(
            export.export_id,
            f"{export.name} {export.revision}",
            _word(ExportFormat.Name(export.format), "EXPORT_FORMAT_"),
            state_word(export),
            f"{export.samples_done:,}",
            decimal(export.bytes_done),
        )
    _print(table, "no exports")


def print_export(export: Export, place: str) -> None:
    """Prints how an export ended and where its files are."""
    if trouble := trouble_of(export):
        complain(f"export {export.export_id}: {trouble}")
        return
    left = f", {export.without_image:,} left out whose images were not kept" if export.without_image else ""
    say(f"{export.samples_done:,} samples, {decimal(export.bytes_done)}{left}")
    say(f"{place.rstrip('/')}/{export.folder}")


def print_preview(found: PreviewSubsetResponse, *, as_json: bool) -> None:
    """Prints what a recipe cuts."""
    counts = ("matching", "samples", "image_bytes", "without_image")
    if as_json:
        numbers: dict[str, Any] = {name: getattr(found, name) for name in counts}
        say_json(_facts(found) | numbers | {"estimated_seconds": found.estimated_seconds})
        return
    say(f"{found.samples:,} samples of {found.matching:,} that the filters admit")
    say(f"{decimal(found.image_bytes)} of images; {found.without_image:,} samples without")
    say(f"about {max(found.estimated_seconds, 1):,.0f} s to export as WebDataset")
    for sample in found.examples:
        say(f"  {sample.sample_id}  {sample.text[:60]!r}")


def print_difference(found: DiffExportsResponse, *, as_json: bool) -> None:
    """Prints what two exports have in common."""
    if as_json:
        counts = {name: getattr(found, name) for name in ("common", "added", "removed")}
        say_json(counts | {"added_ids": list(found.added_ids), "removed_ids": list(found.removed_ids)})
        return
    say(f"{found.common:,} in both, {found.added:,} added, {found.removed:,} removed")
    for sign, ids in (("+", found.added_ids), ("-", found.removed_ids)):
        for sample in ids:
            say(f"{sign} {sample}")


@contextmanager
def _view(clock: Clock) -> Iterator[_View]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(clock)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} samples, {task.fields[bytes]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bar(progress)


def _print(table: Table, nothing: str) -> None:
    if table.row_count:
        Console().print(table)
    else:
        say(nothing)


def _facts(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()
