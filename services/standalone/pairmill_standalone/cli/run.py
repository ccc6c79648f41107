"""`pairmill run`: from WAT files to a dataset."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from pairmill.clock import SystemClock
from pairmill.errors import ConfigurationError
from pairmill.jobspec.settings import parse_assignments
from pairmill_models.bundle import load_bundle
from pairmill_standalone.cli.exits import Exit, answer, complain, errors_as_exits
from pairmill_standalone.cli.options import BundleOption, Json, Out, Settings, StateDir, bundle_or_tiny
from pairmill_standalone.cli.progress_view import progress_view
from pairmill_standalone.cli.summary import print_summary
from pairmill_standalone.estimate import estimate_run
from pairmill_standalone.jobs import JobRequest, admit_request, collect_wats
from pairmill_standalone.run import Run, RunEnd, RunOptions, check_inputs
from pairmill_standalone.workspace import Workspace, open_workspace

EXAMPLE = "Example: pairmill run --wat CC-MAIN-00000.warc.wat.gz --out out/first --limit 2000"


def run(
    out: Out,
    wat: Annotated[list[str] | None, typer.Option(help="A WAT file: path or http(s) URL. Repeatable.")] = None,
    wat_list: Annotated[list[Path] | None, typer.Option(help="A file with one WAT a line. Repeatable.")] = None,
    profile: Annotated[str, typer.Option(help="default, laion-5b or everything.")] = "default",
    bundle: BundleOption = None,
    settings: Settings = None,
    limit: Annotated[int | None, typer.Option(help="About that many candidates per wave, no more.")] = None,
    sample: Annotated[float | None, typer.Option(help="Share of candidates to take, by sample_id.")] = None,
    crawl: Annotated[str, typer.Option(help="Name of the crawl, for provenance.")] = "",
    workers: Annotated[
        list[str] | None, typer.Option(metavar="SERVICE=N", help="Processes of a service. Repeatable.")
    ] = None,
    partitions: Annotated[int, typer.Option(help="Partitions of the work topics of a new run.")] = 8,
    state_dir: StateDir = None,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="A private network that may be fetched from. Repeatable."),
    ] = None,
    connect_to: Annotated[
        list[str] | None,
        typer.Option(metavar="SUFFIX=ADDRESS:PORT", help="Where hosts of a suffix really are. Repeatable."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a long run.")] = False,
    as_json: Json = False,
) -> None:
    """Build a dataset from WAT files; calling it again resumes.

    Example: pairmill run --wat CC-MAIN-00000.warc.wat.gz --out out/first --limit 2000
    """
    with errors_as_exits():
        listing = collect_wats(wat or (), wat_list or ())
        for problem in listing.problems:
            complain(f"--wat-list: {problem}; the line is left out")
        check_inputs(tuple(listing.wats) if wat else ())
        chosen = bundle_or_tiny(bundle)
        request = JobRequest(
            wats=listing.wats,
            profile=profile,
            crawl=crawl,
            settings=parse_assignments(settings or ()),
            limit=limit,
            sample_rate=sample,
        )
        admission = admit_request(request, load_bundle(chosen))
        workspace = open_workspace(out, state_dir)
        confirm(estimate_run(listing.wats, admission.spec, workspace.out), yes)
        options = RunOptions(
            bundle=chosen,
            workers=parse_workers(workers or ()),
            partitions=partitions,
            service_env={"downloader": downloader_env(allow_network or (), connect_to or ())},
        )
        end = execute(Run(workspace, admission, options))
        finish(end, workspace, as_json=as_json)


def execute(run_: Run) -> RunEnd:
    """Runs with a progress view; Ctrl-C once stops cleanly, twice at once."""
    previous = signal.signal(signal.SIGINT, lambda _number, _frame: run_.interrupt())
    terminated = signal.signal(signal.SIGTERM, lambda _number, _frame: run_.interrupt())
    try:
        with progress_view(SystemClock()) as view:
            return run_.execute(view.show)
    finally:
        signal.signal(signal.SIGINT, previous)
        signal.signal(signal.SIGTERM, terminated)


def finish(end: RunEnd, workspace: Workspace, *, as_json: bool) -> None:
    """Says how the run ended and exits accordingly."""
    if end.state == "interrupted":
        complain("interrupted; the same command goes on from here")
        raise typer.Exit(Exit.INTERRUPTED)
    if end.state in ("complete", "incomplete"):
        print_summary(workspace.out, as_json=as_json)
    elif as_json:
        sys.stdout.write(json.dumps({"state": end.state, "reason": end.reason}) + "\n")
    if end.state != "complete":
        complain(f"{end.state}: {end.reason or 'see the logs in ' + str(workspace.logs)}")
    answer(end.state == "complete")


def confirm(expectation: str, yes: bool) -> None:
    """Says what is expected, and asks where a person is there to answer and the run is long."""
    sys.stderr.write(f"pairmill: {expectation}\n")
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        typer.confirm("Go on?", abort=True, err=True, default=True)


def parse_workers(texts: Iterable[str]) -> dict[str, int]:
    """Returns processes by service; raises ConfigurationError naming what is wrong."""
    parsed = {}
    for name, value in parse_assignments(texts).items():
        if not value.isdigit() or int(value) < 1:
            raise ConfigurationError(f"--workers {name}={value}: at least 1")
        parsed[name] = int(value)
    return parsed


def downloader_env(networks: Iterable[str], connect_to: Iterable[str]) -> Mapping[str, str]:
    """Returns the downloader's environment for networks and hosts that are admitted by hand."""
    return {
        "PAIRMILL_ALLOWED_NETWORKS": ",".join(networks),
        "PAIRMILL_CONNECT_TO": ",".join(connect_to),
    }
