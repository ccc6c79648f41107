"""`pairmill job`: the API of a running cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from pairmill.errors import ConfigurationError
from pairmill.jobspec.settings import parse_assignments
from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState, SubmitJobRequest
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_standalone.cli.exits import Exit, answer, complain, errors_as_exits, say, say_json
from pairmill_standalone.cli.job_client import JobClient
from pairmill_standalone.cli.job_connection import with_client
from pairmill_standalone.cli.job_demo import demo
from pairmill_standalone.cli.job_facts import (
    funnel_facts,
    job_facts,
    letter_facts,
    open_unit_facts,
    orphan_facts,
    print_funnel,
    print_job,
    print_rows,
    state_name,
)
from pairmill_standalone.cli.job_view import job_view
from pairmill_standalone.cli.job_watch import follow
from pairmill_standalone.cli.options import Json, Settings
from pairmill_standalone.cli.run import Crawl, Paths, WatBase, WatCount, WatLists, Wats
from pairmill_standalone.crawl_lists import WAT_BASE, wats_of_crawl
from pairmill_standalone.exclusions import read_exclusions
from pairmill_standalone.jobs import collect_wats

job_app = typer.Typer(no_args_is_help=True, help="Jobs of a running cluster, over the gateway's API.")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job, as `pairmill job list` shows it.")]
Interval = Annotated[float, typer.Option(min=0.2, max=60.0, help="Seconds between two looks.")]
Most = Annotated[int, typer.Option("--limit", min=1, help="At most that many rows.")]

_ID_BYTES: Final = 16


@job_app.command()
@with_client
def submit(
    client: JobClient,
    wat: Wats = None,
    wat_list: WatLists = None,
    crawl: Crawl = "",
    wat_count: WatCount = None,
    seed: Annotated[int, typer.Option(help="Which WATs of the crawl are drawn.")] = 0,
    paths: Paths = "",
    wat_base: WatBase = WAT_BASE,
    profile: Annotated[str, typer.Option(help="default, laion-5b or everything.")] = "default",
    bundle: Annotated[str, typer.Option(help="Model bundle by its name on the cluster.")] = "",
    settings: Settings = None,
    limit: Annotated[int | None, typer.Option(help="At most that many candidates.")] = None,
    sample: Annotated[float | None, typer.Option(help="Share of candidates to take, by sample_id.")] = None,
    exclude: Annotated[
        Path | None, typer.Option(help="A file with URLs or url_ids, one a line, that are left out.")
    ] = None,
    idempotency_key: Annotated[
        str, typer.Option(help="Makes repeated calls one job; without it the same request is the same job.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the request and admit nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the job to its end.")] = False,
    interval: Interval = 1.0,
    as_json: Json = False,
) -> None:
    """Submit a job; the same request again is the same job.

    WATs are http(s) URLs, or paths that the crawlers see.

    Example: pairmill job submit --target gateway:7600 --crawl CC-MAIN-2024-10 --wat-count 8 --watch
    """
    drawn = wats_of_crawl(crawl, wat_count, seed, paths=paths, base=wat_base) if wat_count else []
    listing = collect_wats([*(wat or ()), *drawn], wat_list or ())
    if listing.problems:
        raise ConfigurationError("\n".join(f"--wat: {problem}" for problem in listing.problems))
    request = SubmitJobRequest(
        idempotency_key=idempotency_key,
        wats=listing.wats,
        crawl=crawl,
        profile=profile,
        settings=parse_assignments(settings or ()),
        bundle=bundle,
        limit=limit,
        sample_rate=sample,
        exclude=_excluded(exclude),
        validate_only=dry_run,
    )
    admitted = client.submit(request)
    if watch and not dry_run:
        complain(f"{admitted.job.job_id}: {'admitted' if admitted.created else 'was there before'}")
        _watch(client, admitted.job.job_id, interval, is_known=True, as_json=as_json)
    elif as_json:
        say_json({"created": admitted.created, "job": job_facts(admitted.job)})
    else:
        said = "would be admitted" if dry_run else "admitted" if admitted.created else "was there before"
        complain(said)
        say(admitted.job.job_id)


@job_app.command()
@with_client
def get(client: JobClient, job: JobId, as_json: Json = False) -> None:
    """Show one job.

    Example: pairmill job get j0a1b2c3d4e5f --target gateway:7600
    """
    found = client.get(job)
    if as_json:
        say_json(job_facts(found))
    else:
        print_job(found)


@job_app.command("list")
@with_client
def list_jobs(
    client: JobClient,
    state: Annotated[
        list[str] | None, typer.Option(help="Only jobs in this state, such as crawling. Repeatable.")
    ] = None,
    limit: Most = 100,
    as_json: Json = False,
) -> None:
    """List jobs, the newest first.

    Example: pairmill job list --state crawling --target gateway:7600
    """
    rows = [job_facts(job) for job in client.newest([_state(name) for name in state or ()], limit)]
    if as_json:
        say_json(rows)
        return
    shown = ("job_id", "state", "admitted_at", "submitted_by", "profile", "dataset")
    print_rows([{name: row[name] for name in shown} for row in rows], "no jobs")


@job_app.command()
@with_client
def watch(client: JobClient, job: JobId, interval: Interval = 1.0, as_json: Json = False) -> None:
    """Follow a job to its end, over restarts of the gateway; Ctrl-C ends the watch, not the job.

    Exits 0 where the job is complete, 1 where it is incomplete or cancelled.

    Example: pairmill job watch j0a1b2c3d4e5f --target gateway:7600
    """
    _watch(client, job, interval, is_known=False, as_json=as_json)


@job_app.command()
@with_client
def cancel(
    client: JobClient,
    job: JobId,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Cancel a job; refused with 1 once it is being finished. Nothing of it is kept.

    Example: pairmill job cancel j0a1b2c3d4e5f --reason "wrong crawl" --target gateway:7600
    """
    _tell(client.cancel(job, reason), as_json=as_json)


@job_app.command()
@with_client
def resume(client: JobClient, job: JobId, as_json: Json = False) -> None:
    """Let a blocked job try again what holds it up.

    Example: pairmill job resume j0a1b2c3d4e5f --target gateway:7600
    """
    _tell(client.resume(job), as_json=as_json)


@job_app.command()
@with_client
def audit(
    client: JobClient,
    job: JobId,
    open_units: Annotated[bool, typer.Option("--open", help="List the open units.")] = False,
    orphans: Annotated[bool, typer.Option("--orphans", help="List records that count for nothing.")] = False,
    dead_letters: Annotated[bool, typer.Option("--dead-letters", help="List what was given up.")] = False,
    stage: Annotated[str, typer.Option(help="Only open units of this stage, such as download.")] = "",
    limit: Most = 100,
    as_json: Json = False,
) -> None:
    """Show the funnel of a job as of now, and what does not close; exits 1 if something does not.

    Example: pairmill job audit j0a1b2c3d4e5f --open --target gateway:7600
    """
    funnel = client.funnel(job)
    lists = {}
    if open_units:
        found = client.open_units(job, _stage(stage), limit)
        lists["open_units"] = [open_unit_facts(unit) for unit in found]
    if orphans:
        lists["orphans"] = [orphan_facts(orphan) for orphan in client.orphans(job, limit)]
    if dead_letters:
        lists["dead_letters"] = [letter_facts(letter) for letter in client.dead_letters(job, limit)]
    if as_json:
        say_json({**funnel_facts(funnel), **lists})
    else:
        if not lists:
            print_funnel(funnel)
        for name, rows in lists.items():
            print_rows(rows, f"no {name.replace('_', ' ')}")
        complain("\n".join(funnel.problems))
    answer(not funnel.problems)


@job_app.command()
@with_client
def replay(
    client: JobClient,
    job: JobId,
    fork: Annotated[bool, typer.Option("--fork", help="Make another version although there is one.")] = False,
    as_json: Json = False,
) -> None:
    """Run the candidates again that a job gave up, as a new version of its dataset.

    Example: pairmill job replay j0a1b2c3d4e5f --target gateway:7600
    """
    repair = client.replay(job, fork)
    if as_json:
        say_json({"job_id": repair.job_id, "rows": repair.rows})
    else:
        complain(f"{repair.rows:,} candidates are run again")
        say(repair.job_id)


@job_app.command()
def token(
    name: Annotated[str, typer.Option(help="Who will call with it.")],
    role: Annotated[str, typer.Option(help="read, operate or admin; each may do what those before it may.")],
    tenant: Annotated[str, typer.Option(help="Whose jobs it sees.")] = "default",
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until it expires; never if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token: it is printed once, and the lines for the gateway's tokens file to standard error.

    Example: pairmill job token --name ci --role operate > ci.token
    """
    from pairmill.rpc.callers import Role
    from pairmill.rpc.tokens import entry_lines, new_token

    with errors_as_exits():
        if role.upper() not in Role.__members__:
            raise ConfigurationError(f"--role: {role!r} is none of read, operate, admin")
        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        fresh = new_token()
        lines = entry_lines(name, Role[role.upper()], tenant, fresh, expires_at)
        if as_json:
            say_json({"token": fresh, "lines": lines})
            return
        say(fresh)
        typer.echo(f"# add to the gateway's tokens file\n{lines}", err=True, nl=False)


def _watch(client: JobClient, job_id: str, interval: float, *, is_known: bool, as_json: bool) -> None:
    """Follows a job and exits as it ended."""
    last = Job()
    try:
        with job_view(client.caller.clock) as view:
            for last in follow(client, job_id, interval, complain, is_known=is_known):
                view.show(last)
    except KeyboardInterrupt as error:
        complain(f"interrupted; the job goes on, `pairmill job watch {job_id}` shows it again")
        raise typer.Exit(Exit.INTERRUPTED) from error
    _tell(last, as_json=as_json)
    answer(last.state == JobState.JOB_STATE_COMPLETE)


def _tell(job: Job, *, as_json: bool) -> None:
    if as_json:
        say_json(job_facts(job))
        return
    complain("\n".join([f"{job.job_id}: {state_name(job.state)}", *job.lacks]))
    if job.HasField("manifest"):
        say(f"{job.dataset}/{job.manifest.key}")


def _excluded(path: Path | None) -> list[str]:
    """Returns the ids that a file leaves out; they are checked here, and shorter than URLs."""
    if path is None:
        return []
    data = read_exclusions(path)
    return [data[start : start + _ID_BYTES].hex() for start in range(0, len(data), _ID_BYTES)]


def _state(name: str) -> JobState.ValueType:
    known = {state_name(state): state for state in JobState.values() if state}
    if name not in known:
        raise ConfigurationError(f"--state: {name!r} is no state; one of {', '.join(known)}")
    return known[name]


def _stage(name: str) -> Stage.ValueType:
    known = {value.removeprefix("STAGE_").lower(): Stage.Value(value) for value in Stage.keys()[1:]}
    if name and name not in known:
        raise ConfigurationError(f"--stage: {name!r} is no stage; one of {', '.join(known)}")
    return known.get(name, Stage.STAGE_UNSPECIFIED)


job_app.command()(demo)
