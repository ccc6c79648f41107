"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pairmill_models.tiny import bundle_path

Out = Annotated[Path, typer.Option("--out", help="Output folder; calling again with it resumes.")]
BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", help="Model bundle; the tiny CLIP that ships with Pairmill if not given."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="One rule of the job, such as download.host_delay_seconds=1."),
]
Json = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
StateDir = Annotated[
    Path | None,
    typer.Option("--state-dir", help="Folder for queue, scratch and logs, on a local disk; inside --out if not given."),
]


def bundle_or_tiny(path: Path | None) -> Path:
    """Returns the bundle asked for, or the one that ships with Pairmill."""
    return path if path is not None else bundle_path()
