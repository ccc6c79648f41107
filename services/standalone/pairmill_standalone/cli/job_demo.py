"""`pairmill job demo`: the demo's job on a running cluster."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from pairmill.clock import SystemClock
from pairmill.errors import RetriableError
from pairmill.jobspec.settings import parse_assignments
from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState
from pairmill_standalone.cli.demo import comparison_facts, complain_of_differences
from pairmill_standalone.cli.exits import answer, complain, say, say_json
from pairmill_standalone.cli.job_client import JobClient
from pairmill_standalone.cli.job_connection import with_client
from pairmill_standalone.cli.job_facts import state_name
from pairmill_standalone.cli.job_view import job_view
from pairmill_standalone.cli.job_watch import follow
from pairmill_standalone.cli.options import Json, Settings
from pairmill_standalone.cli.places import opened_place

_WITH_DATASET: Final = frozenset({JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE})


@with_client
def demo(
    client: JobClient,
    web: Annotated[
        str,
        typer.Option(
            "--web",
            metavar="URL",
            envvar="PAIRMILL_DEMO_WEB",
            help="A synthetic web, as `pairmill demo --serve` serves it.",
        ),
    ],
    bundle: Annotated[str, typer.Option(help="Model bundle by its name on the cluster.")] = "",
    settings: Settings = None,
    patience: Annotated[
        float, typer.Option(min=0.0, help="Seconds to wait for the web, the gateway or the bucket to answer.")
    ] = 900.0,
    interval: Annotated[float, typer.Option(min=0.2, max=60.0, help="Seconds between two looks.")] = 5.0,
    as_json: Json = False,
) -> None:
    """Run the demo's job on a cluster and compare every candidate with the known truth.

    The web has to be where crawlers and downloaders reach it. Calling it again follows the same job. With
    --set only rules of pace may be changed, for the truth is that of the web's own. The dataset is read by
    the PAIRMILL_S3__… variables of services. Exits 1 where anything did not end as the truth says.

    Example: pairmill job demo --web http://web:7900 --target gateway:7600
    """
    from pairmill_standalone.demo_job import patiently, read_order

    clock = SystemClock()
    order = patiently(lambda: read_order(web), clock, patience, complain)
    request = order.request(bundle, parse_assignments(settings or ()))
    admitted = patiently(lambda: client.submit(request), clock, patience, complain)
    complain(f"{admitted.job.job_id}: {'admitted' if admitted.created else 'was there before'}")
    ended = _followed(client, admitted.job.job_id, interval)
    if ended.state not in _WITH_DATASET:
        raise RetriableError(f"{ended.job_id} is {state_name(ended.state)} and has no dataset")
    with opened_place(ended.dataset) as where:
        found = patiently(lambda: order.compare(where), clock, patience, complain)
    if as_json:
        job = {"job_id": ended.job_id, "state": state_name(ended.state), "dataset": ended.dataset}
        say_json({**job, **comparison_facts(found)})
    else:
        complain_of_differences(found)
        say(f"{ended.job_id} is {state_name(ended.state)}: {ended.dataset}")
        say(found.summary())
    answer(found.is_same)


def _followed(client: JobClient, job_id: str, interval: float) -> Job:
    """Returns a job as it has ended."""
    last = Job()
    with job_view(SystemClock()) as view:
        for last in follow(client, job_id, interval, complain, is_known=True):
            view.show(last)
    return last
