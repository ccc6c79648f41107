"""`pairmill run`: from WAT files to a dataset."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pairmill import __version__
from pairmill.clock import SystemClock
from pairmill.errors import ConfigurationError
from pairmill.jobspec.settings import parse_assignments
from pairmill.telemetry.logs import logging_to
from pairmill_gateway.admission import Admission, WatList
from pairmill_gateway.request import JobRequest, admit_request
from pairmill_models.bundle import load_bundle
from pairmill_standalone.cli.exits import Exit, answer, complain, errors_as_exits, say_json
from pairmill_standalone.cli.options import (
    AllowNetwork,
    BundleOption,
    ConnectTo,
    Json,
    Out,
    Settings,
    StateDir,
    Workers,
    Yes,
    bundle_or_tiny,
)
from pairmill_standalone.cli.progress_view import progress_view
from pairmill_standalone.cli.summary import print_summary
from pairmill_standalone.crawl_lists import WAT_BASE, wats_of_crawl
from pairmill_standalone.estimate import estimate_run
from pairmill_standalone.exclusions import read_exclusions
from pairmill_standalone.jobs import collect_wats
from pairmill_standalone.run import Run, RunEnd, check_inputs
from pairmill_standalone.run_options import STAGES, RunOptions
from pairmill_standalone.workspace import Workspace, open_workspace, pinned_spec

Wats = Annotated[list[str] | None, typer.Option("--wat", help="A WAT file: path or http(s) URL. Repeatable.")]
WatLists = Annotated[
    list[Path] | None, typer.Option("--wat-list", help="A file with one WAT a line. Repeatable.")
]
Crawl = Annotated[
    str,
    typer.Option("--crawl", help="Name of the crawl, as CC-MAIN-2024-10; with --wat-count its WATs."),
]
WatCount = Annotated[
    int | None, typer.Option("--wat-count", min=1, help="Take that many WATs of the crawl, drawn by --seed.")
]
Paths = Annotated[
    str,
    typer.Option("--paths", help="The crawl's list of WATs, path or URL; Common Crawl's if not given."),
]
WatBase = Annotated[
    str, typer.Option("--wat-base", help="Where the paths of that list lie: folder or http(s) URL.")
]


def run(
    out: Out,
    wat: Wats = None,
    wat_list: WatLists = None,
    crawl: Crawl = "",
    wat_count: WatCount = None,
    seed: Annotated[int, typer.Option(help="Which WATs of the crawl are drawn.")] = 0,
    paths: Paths = "",
    wat_base: WatBase = WAT_BASE,
    profile: Annotated[str, typer.Option(help="default, laion-5b or everything.")] = "default",
    bundle: BundleOption = None,
    settings: Settings = None,
    limit: Annotated[
        int | None, typer.Option(help="At most that many candidates per wave; of large numbers only about.")
    ] = None,
    sample: Annotated[float | None, typer.Option(help="Share of candidates to take, by sample_id.")] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="A file with URLs or url_ids, one a line, that are left out.")
    ] = None,
    workers: Workers = None,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of the work topics of a new run.")] = 8,
    state_dir: StateDir = None,
    allow_network: AllowNetwork = None,
    connect_to: ConnectTo = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Build a dataset from WAT files; calling it again resumes.

    Ctrl-C stops cleanly, twice at once. Ends with the funnel and a report.

    Example: pairmill run --wat CC-MAIN-00000.warc.wat.gz --out out/first --limit 2000
    """
    with errors_as_exits():
        drawn = wats_of_crawl(crawl, wat_count, seed, paths=paths, base=wat_base) if wat_count else []
        listing = _listing([*(wat or ()), *drawn], wat_list or ())
        request = JobRequest(
            wats=listing.wats,
            profile=profile,
            crawl=crawl,
            settings=parse_assignments(settings or ()),
            limit=limit,
            sample_rate=sample,
            excluded=read_exclusions(exclude) if exclude is not None else None,
        )
        chosen = bundle_or_tiny(bundle)
        options = RunOptions(
            bundle=chosen,
            workers=parse_workers(workers or ()),
            partitions=partitions,
            service_env={"downloader": downloader_env(allow_network or (), connect_to or ())},
        )
        admission = admit_request(request, load_bundle(chosen))
        workspace = open_workspace(out, state_dir)
        if pinned_spec(workspace) is None:
            confirm(estimate_run(listing.wats, admission.spec, workspace.out), yes)
        carry_on(workspace, admission, options, as_json=as_json)


def _listing(named: list[str], lists: Sequence[Path]) -> WatList:
    """Returns the WATs asked for; what is named one by one has to be there."""
    listing = collect_wats(named, lists)
    for problem in listing.problems:
        complain(f"--wat-list: {problem}; the line is left out")
    check_inputs(collect_wats(named, ()).wats)
    return listing


def carry_on(workspace: Workspace, admission: Admission, options: RunOptions, *, as_json: bool) -> None:
    """Runs an admitted job to its end, or until interrupted; exits accordingly."""
    derived = admission.spec.HasField("base")
    place = workspace.of_version(admission.spec.job_id) if derived else workspace
    with run_log(place):
        end = execute(Run(place, admission, options))
    if derived and end.state in ("complete", "incomplete"):
        shutil.rmtree(place.state, ignore_errors=True)  # the version stands; its queue is of no use any more
    finish(end, place, as_json=as_json)


@contextmanager
def run_log(workspace: Workspace) -> Iterator[None]:
    """Writes the supervisor's log beside those of the services meanwhile; the terminal is for people."""
    workspace.logs.mkdir(parents=True, exist_ok=True)
    with (
        (workspace.logs / "run.log").open("a") as stream,
        logging_to(stream, "info", service="run", version=__version__),
    ):
        yield


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
    stop_unless_ended(end, workspace, as_json=as_json)
    print_summary(workspace.out, as_json=as_json)
    if end.state != "complete":
        complain(f"{end.state}: {end.reason}")
    answer(end.state == "complete")


def stop_unless_ended(end: RunEnd, workspace: Workspace, *, as_json: bool) -> None:
    """Says why there is no dataset and exits, unless there is one."""
    if end.state in ("complete", "incomplete"):
        return
    if end.state == "interrupted":
        complain("interrupted; the same command goes on from here")
        raise typer.Exit(Exit.INTERRUPTED)
    if as_json:
        say_json({"state": end.state, "reason": end.reason})
    complain(f"{end.state}: {end.reason or f'see the logs in {workspace.logs}'}")
    raise typer.Exit(Exit.NO)


def confirm(expectation: str, yes: bool) -> None:
    """Says what is expected, and asks where a person is there to answer."""
    complain(expectation)
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        answer(typer.confirm("Go on?", err=True, default=True))


def parse_workers(texts: Iterable[str]) -> dict[str, int]:
    """Returns processes by service; raises ConfigurationError naming what is wrong."""
    parsed, problems = {}, []
    for text in texts:
        name, _, value = text.partition("=")
        if name not in STAGES:
            problems.append(f"--workers {text}: there is no service {name!r}; one of {', '.join(STAGES)}")
        elif not value.isdigit() or int(value) < 1:
            problems.append(f"--workers {text}: write it as {name}=2, at least 1")
        else:
            parsed[name] = int(value)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return parsed


def downloader_env(networks: Iterable[str], connect_to: Iterable[str]) -> Mapping[str, str]:
    """Returns the downloader's environment for networks and hosts that are admitted by hand."""
    return {
        "PAIRMILL_ALLOWED_NETWORKS": ",".join(networks),
        "PAIRMILL_CONNECT_TO": ",".join(connect_to),
    }
