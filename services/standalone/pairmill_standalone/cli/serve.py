"""`pairmill serve`: one service, configured from the environment."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Final

import typer

from pairmill.service import exit_code_of
from pairmill_standalone.cli.exits import Exit, complain

SERVICES: Final = (
    "gateway",
    "crawler",
    "planner",
    "downloader",
    "inference",
    "scorer",
    "finaliser",
    "indexer",
    "explorer",
)


def serve(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(SERVICES)}.")],
) -> None:
    """Run one service until it is told to stop, as `pairmill run` does with all of them.

    It reads its settings from variables PAIRMILL_…; its README lists them, and so does the message
    where one is missing.

    Example: PAIRMILL_BUS_URL=sqlite:///srv/bus.db PAIRMILL_STORE_URL=file:///srv/out pairmill serve planner
    """
    if name not in SERVICES:
        complain(f"NAME: there is no service {name!r}; choose one of: {', '.join(SERVICES)}")
        raise typer.Exit(Exit.WRONG_REQUEST)
    sys.exit(exit_code_of(importlib.import_module(f"pairmill_{name}.main").main))
