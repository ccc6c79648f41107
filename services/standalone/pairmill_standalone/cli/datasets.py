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
from pairmill.dataset.source import files_of
from pairmill.dataset.versions import current_manifest, version_key
from pairmill.errors import ConfigurationError
from pairmill.store.port import ObjectStore
from pairmill_standalone.cli.exits import answer, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import Json, Place
from pairmill_standalone.cli.places import opened_place


def audit(
    place: Place,
    version: Annotated[
        str, typer.Option("--version", metavar="JOB", help="An earlier version, named by its job.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Recount a dataset from its files and compare every file with the manifest.

    Exits 1 and says what is wrong where it does not close.

    A dataset in a bucket is read through its manifest, by the PAIRMILL_S3__… variables of services.

    Example: pairmill audit out/first

    Example: pairmill audit s3://datasets/first
    """
    from pairmill.dataset.audit import audit as run_audit

    with errors_as_exits(), opened_place(place) as where:
        name = manifest_name(where, version)
        with byte_progress("auditing") as progress:
            report = run_audit(where, progress, name=name)
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
    a: Annotated[str, typer.Argument(metavar="A", help="Folder or s3://bucket/prefix of a dataset.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The same of another one.")],
    as_json: Json = False,
) -> None:
    """Say whether two datasets are the same, row by row, and where not.

    Names of files, order, attempts and times are not compared; scores are compared to 1e-3.

    Example: pairmill diff out/laptop s3://datasets/cluster
    """
    from pairmill.dataset.diff import diff as run_diff

    with errors_as_exits(), opened_place(a) as left, opened_place(b) as right:
        report = run_diff(left, right)
        if as_json:
            say_json(report.as_dict())
        else:
            for line in report.lines():
                say(line)
        answer(report.same)


def manifest_name(where: Path | ObjectStore, version: str) -> str:
    """Returns the name of the manifest of a version; raises ConfigurationError if there is none."""
    source = files_of(where)
    current = current_manifest(source)
    if not version or (current is not None and current.job_id == version):
        return MANIFEST_NAME
    kept = version_key(version)
    if source.size(kept) is None:
        raise ConfigurationError(f"--version: there is no version {version}{_known_versions(where)}")
    return kept


def _known_versions(where: Path | ObjectStore) -> str:
    """Returns which earlier versions there are, of a folder: buckets are not listed (G7)."""
    if not isinstance(where, Path):
        return ""
    known = sorted(path.stem for path in (where / "versions").glob("*.json"))
    return f"; earlier ones: {', '.join(known) or 'none'}"


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
