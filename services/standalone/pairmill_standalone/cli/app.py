"""The `pairmill` command: its verbs in one place.

A verb imports the services that it needs when it is called, so that `pairmill --help` and the verbs
that only read files start at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from pairmill import __version__
from pairmill_standalone.cli.bundle import bundle_app
from pairmill_standalone.cli.datasets import audit, diff
from pairmill_standalone.cli.demo import demo
from pairmill_standalone.cli.dlq import dlq_app
from pairmill_standalone.cli.download import download
from pairmill_standalone.cli.exits import say
from pairmill_standalone.cli.explore import explore
from pairmill_standalone.cli.index import index_app
from pairmill_standalone.cli.job import job_app
from pairmill_standalone.cli.run import run
from pairmill_standalone.cli.serve import serve
from pairmill_standalone.cli.stages import embed, extract, score
from pairmill_standalone.cli.subset import subset_app
from pairmill_standalone.cli.topics import topics_app
from pairmill_standalone.cli.versions import refilter, retry_failed


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"pairmill {__version__}")
        raise typer.Exit


def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Build image-text datasets from Common Crawl: filtered, scored, audited, ready to train on."""


def build_app() -> typer.Typer:
    """Returns the command with all its verbs."""
    command = typer.Typer(
        name="pairmill", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
    )
    command.callback()(_main)
    for verb in (demo, run, extract, download, embed, score, refilter, diff, audit, explore, serve):
        command.command()(verb)
    command.command("retry-failed")(retry_failed)
    command.add_typer(bundle_app, name="bundle")
    command.add_typer(dlq_app, name="dlq")
    command.add_typer(topics_app, name="topics")
    command.add_typer(index_app, name="index")
    command.add_typer(job_app, name="job")
    command.add_typer(subset_app, name="subset")
    return command


app = build_app()
