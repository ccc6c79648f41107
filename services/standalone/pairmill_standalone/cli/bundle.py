"""`pairmill bundle`: what a model bundle is, and whether it works."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pairmill_standalone.cli.exits import answer, complain, errors_as_exits, say, say_json
from pairmill_standalone.cli.options import Json, bundle_or_tiny

bundle_app = typer.Typer(no_args_is_help=True, help="What a model bundle is, and whether it works.")

BundleArgument = Annotated[
    Path | None,
    typer.Argument(metavar="BUNDLE", help="Folder of the bundle; the tiny CLIP if not given."),
]


@bundle_app.command()
def inspect(bundle: BundleArgument = None, as_json: Json = False) -> None:
    """Show what a bundle holds; every file is compared with its checksum.

    Example: pairmill bundle inspect models/vit-b-32
    """
    from pairmill_models.bundle import load_bundle

    with errors_as_exits():
        found = load_bundle(bundle_or_tiny(bundle))
        facts: dict[str, Any] = {"digest": found.digest, **asdict(found.card)}
        facts["files"] = {name: asdict(file) for name, file in sorted(found.files.items())}
        if as_json:
            say_json(facts)
            return
        table = Table(show_header=False, box=None)
        for name, value in facts.items():
            if name != "files":
                table.add_row(name, _shown(value))
        for name, file in facts["files"].items():
            table.add_row(f"file {name}", f"{file['bytes']:,} bytes")
        Console().print(table)


@bundle_app.command()
def check(bundle: BundleArgument = None, as_json: Json = False) -> None:
    """Run a bundle's model over inputs whose answers are known.

    Exits 1 where it answers otherwise, 2 where a file is missing or damaged.

    Example: pairmill bundle check models/vit-b-32
    """
    from pairmill_models.bundle import load_bundle
    from pairmill_models.check import BundleCheckError, check_bundle
    from pairmill_models.heads import OnnxHeads
    from pairmill_models.onnx_embedder import OnnxEmbedder

    with errors_as_exits():
        found = load_bundle(bundle_or_tiny(bundle))
        embedder = OnnxEmbedder(found)
        try:
            check_bundle(found, embedder, OnnxHeads(found))
            problems: list[str] = []
        except BundleCheckError as error:
            problems = str(error).splitlines()
        finally:
            embedder.close()
        if as_json:
            say_json({"works": not problems, "digest": found.digest, "problems": problems})
        elif problems:
            complain("\n".join(problems))
        else:
            say(f"{found.name} {found.revision} ({found.digest[:12]}): it gives the known answers")
        answer(not problems)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, list | tuple):
        return "; ".join(_shown(part) for part in value)
    return str(value)
