"""`pairmill explore`: a dataset in the browser, on this machine."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pairmill import __version__
from pairmill.errors import ConfigurationError
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.telemetry.logs import logging_to
from pairmill_index.progress import Progress as BuildProgress
from pairmill_standalone.cli.exits import answer, complain, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import Json, Place
from pairmill_standalone.cli.places import opened_place

_LISTEN: Final = "http.listen:"

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes any free one.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")]
Check = Annotated[
    str | None,
    typer.Option(
        "--check",
        metavar="TEXT",
        help="Answer one query for a text and end: 0 where something was found, 1 where not.",
    ),
]
Bundles = Annotated[
    list[Path] | None,
    typer.Option("--bundle", help="Model bundle, or folder of bundles, to search with. Repeatable."),
]


def explore(
    place: Place,
    port: Port = 7700,
    no_browser: NoBrowser = False,
    check: Check = None,
    bundles: Bundles = None,
    as_json: Json = False,
) -> None:
    """Search a dataset and look at it: a web page on this machine, for nobody else.

    Builds the dataset's index first where it has none. Ctrl-C ends it.

    Example: pairmill explore out/demo

    Example: pairmill explore out/demo --check "a red circle"
    """
    from pairmill_standalone.explore import Asked, check_dataset, explored, find_or_build_index

    with (
        logging_to(sys.stderr, "warning", service="explore", version=__version__),
        errors_as_exits(),
        opened_place(place) as where,
        tempfile.TemporaryDirectory(prefix="pairmill-explore-") as folder,
    ):
        store: ObjectStore = DirectoryStore(where) if isinstance(where, Path) else where
        with _build_progress() as progress:
            if find_or_build_index(store, Path(folder), progress):
                complain("the index is built")
        asked = Asked(name=_name(place), store=store, scratch=Path(folder), bundles=tuple(bundles or ()))
        if check is not None:
            found = check_dataset(asked, check)
            _show(check, found, as_json=as_json)
            answer(bool(found))
            return
        with _port_named(), explored(asked, port) as running:
            address = f"http://127.0.0.1:{running.port}/"
            say_json({"address": address}) if as_json else say(f"{place} is at {address}, Ctrl-C ends it")
            sys.stdout.flush()
            if not no_browser and sys.stdout.isatty():
                webbrowser.open(address)
            running.wait()
        complain("stopped")


@contextmanager
def _port_named() -> Iterator[None]:
    """Names the option where its port cannot be had."""
    try:
        yield
    except ConfigurationError as error:
        reason = str(error)
        if not reason.startswith(_LISTEN):
            raise
        raise ConfigurationError(f"--port:{reason.removeprefix(_LISTEN)}, or 0 for any free one") from error


def _name(place: str) -> str:
    """Returns what a dataset is called in the page: the last part of its place."""
    last = place.rstrip("/").rpartition("/")[2]
    return last if last not in ("", ".", "..") else Path(place).resolve().name or "dataset"


def _show(text: str, found: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        say_json({"query": text, "results": found})
        return
    for hit in found:
        say(f"{hit['score']:.3f}  {hit['text']}")
    say(f"{len(found):,} results for {text!r}")


@contextmanager
def _build_progress() -> Iterator[BuildProgress]:
    """Gives a callback that shows how far a build is, in a terminal; nothing without one."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda step, done, total: None
        return
    step = TextColumn("index: {task.description}")
    with Progress(
        step, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as progress:
        task = progress.add_task("starting", total=None)
        yield lambda step, done, total: progress.update(task, description=step, completed=done, total=total)
