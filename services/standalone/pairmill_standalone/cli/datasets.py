"""`pairmill audit` and `pairmill diff`: does a dataset close, and are two the same."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill.dataset.source import FolderFiles
from pairmill.dataset.versions import current_manifest, version_key
from pairmill.errors import ConfigurationError
from pairmill_standalone.cli.exits import answer, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import Folder, Json


def audit(
    folder: Folder,
    version: Annotated[
        str, typer.Option("--version", metavar="JOB", help="An earlier version, named by its job.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Recount a dataset from its files and compare every file with the manifest.

    Exits 1 and says what is wrong where it does not close.

    Example: pairmill audit out/first
    """
    from pairmill.dataset.audit import audit as run_audit

    with errors_as_exits():
        name = manifest_name(folder, version)
        with byte_progress("auditing") as progress:
            report = run_audit(folder, progress, name=name)
        if as_json:
            say_json(report.as_dict())
        else:
            for finding in report.findings:
                say(str(finding))
            say(
                f"{report.files:,} files, {report.bytes:,} bytes, {report.units:,} units, "
                f"{report.candidates:,} candidates: "
                + ("it closes" if report.closes else f"{len(report.findings):,} finding(s)")
            )
        answer(report.closes)


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="Folder of a finished dataset.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Folder of another one.")],
    as_json: Json = False,
) -> None:
    """Say whether two datasets are the same, row by row, and where not.

    Names of files, order, attempts and times are not compared; scores are compared to 1e-3.

    Example: pairmill diff out/laptop out/cluster
    """
    from pairmill.dataset.diff import diff as run_diff

    with errors_as_exits():
        report = run_diff(a, b)
        if as_json:
            say_json(report.as_dict())
        else:
            for line in report.lines():
                say(line)
        answer(report.same)


def manifest_name(folder: Path, version: str) -> str:
    """Returns the name of the manifest of a version; raises ConfigurationError if there is none."""
    if not folder.is_dir():
        raise ConfigurationError(f"DIR: {folder}: there is no such folder")
    current = current_manifest(FolderFiles(folder))
    if not version or (current is not None and current.job_id == version):
        return MANIFEST_NAME
    kept = version_key(version)
    if not (folder / kept).is_file():
        known = sorted(path.stem for path in (folder / "versions").glob("*.json"))
        raise ConfigurationError(f"--version: there is no version {version}; earlier ones: {known or 'none'}")
    return kept


@contextmanager
def byte_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a callback that shows (bytes done, bytes in all) in a terminal, and nothing without one."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
