"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", help="Output folder; calling again with it resumes.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished dataset.")]
Place = Annotated[
    str, typer.Argument(metavar="DIR", help="Folder or s3://bucket/prefix of a finished dataset.")
]
BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", help="Model bundle; the tiny CLIP that ships with Pairmill if not given."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="One rule of the job, such as download.host_delay_seconds=1."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        help="Folder for queue, scratch and logs, on a local disk; inside the output folder if not given.",
    ),
]
Workers = Annotated[
    list[str] | None,
    typer.Option("--workers", metavar="SERVICE=N", help="Processes of a service. Repeatable."),
]
AllowNetwork = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-network", metavar="CIDR", help="A private network that may be fetched from. Repeatable."
    ),
]
ConnectTo = Annotated[
    list[str] | None,
    typer.Option(
        "--connect-to",
        metavar="SUFFIX=ADDRESS:PORT",
        help="Where the hosts of a suffix really are. Repeatable.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a long run.")]


def bundle_or_tiny(path: Path | None) -> Path:
    """Returns the bundle asked for, or the one that ships with Pairmill."""
    if path is not None:
        return path
    from pairmill_models.tiny import bundle_path

    return bundle_path()
