"""`pairmill dlq`: units that were given up, and messages that were no tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pairmill.errors import ConfigurationError
from pairmill_standalone.cli.exits import errors_as_exits, say, say_json
from pairmill_standalone.cli.options import (
    AllowNetwork,
    BundleOption,
    ConnectTo,
    Folder,
    Json,
    StateDir,
    Workers,
)

dlq_app = typer.Typer(
    no_args_is_help=True, help="Dead letters: units that were given up, messages that were no tasks."
)


@dlq_app.command("list")
def list_letters(folder: Folder, state_dir: StateDir = None, as_json: Json = False) -> None:
    """List what was given up: units that failed three times, and messages that could not be read.

    Example: pairmill dlq list out/first
    """
    from pairmill_standalone.letters import letters_of

    with errors_as_exits():
        letters = letters_of(folder, state_dir)
        if as_json:
            say_json([letter.as_dict() for letter in letters])
            return
        if not letters:
            say("no dead letters")
            return
        table = Table("name", "stage", "rows", "error")
        for letter in letters:
            table.add_row(letter.name, letter.stage, f"{letter.rows:,}", letter.error)
        Console().print(table)


@dlq_app.command()
def show(
    folder: Folder,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name as `pairmill dlq list` shows it.")],
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Show one dead letter: its error, and the candidates or bytes that it holds.

    Example: pairmill dlq show out/first j0a1b2c3d4e5f/w0000/r0003/d00001
    """
    from pairmill_standalone.letters import contents_of, letters_of

    with errors_as_exits():
        letter = next((found for found in letters_of(folder, state_dir) if found.name == name), None)
        if letter is None:
            raise ConfigurationError(
                f"NAME: there is no dead letter {name!r}; see `pairmill dlq list {folder}`"
            )
        contents = contents_of(folder, letter)
        if as_json:
            say_json({**letter.as_dict(), **contents})
            return
        for field, value in {**letter.as_dict(), **contents}.items():
            for line in value if isinstance(value, list) else [value]:
                say(f"{field}: {line}")


@dlq_app.command()
def replay(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option("--out", help="Make the new version in a folder of its own.")
    ] = None,
    bundle: BundleOption = None,
    workers: Workers = None,
    allow_network: AllowNetwork = None,
    connect_to: ConnectTo = None,
    state_dir: StateDir = None,
    as_json: Json = False,
) -> None:
    """Try the candidates of all units again that were given up, as a new version of the dataset.

    Example: pairmill dlq replay out/first
    """
    from pairmill_standalone.cli.versions import repair, version_workspace

    with errors_as_exits():
        repair(
            version_workspace(folder, out, state_dir),
            reasons=frozenset(),
            failed=False,
            bundle=bundle,
            workers=workers,
            allow_network=allow_network,
            connect_to=connect_to,
            as_json=as_json,
        )
