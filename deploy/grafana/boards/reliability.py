"""What went wrong, what was done about it, and what will go wrong next."""

from __future__ import annotations

from typing import Final

from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step, stat
from deploy.grafana.promql import (
    UNITS,
    highest,
    increase,
    of_gateways,
    picked,
    quantile,
    rate,
    share,
)

_REPEATS: Final = "pairmill_units_handed_out_again_total"
_UNITS: Final = "pairmill_units_total"
_FAILED: Final = 'result="failed", service!="indexer"'
_HOUR: Final = "1h"


def _ends_in(metric: str) -> str:
    """Returns the seconds until the first of something ends; infinite where there is none."""
    return f"min({picked(metric)} - time()) or vector(Inf)"


_NOW: Final = Row(
    "Now",
    (
        stat(
            title="Jobs blocked",
            queries=[Query(of_gateways("pairmill_jobs", ["state"], where='state="blocked"'))],
            shows="Jobs that wait for a person.",
            remedy="`pairmill job get JOB` says by what.",
            runbook="job-blocked",
            unit="none",
            steps=[Step(1, "red")],
        ),
        stat(
            title="Dead letters",
            queries=[Query(increase("pairmill_dead_letters_total"))],
            shows="Messages that were set aside in the time shown: they are no tasks.",
            remedy="`pairmill dlq list` shows them, with the topic that they came from.",
            runbook="dead-letters",
            unit="none",
            decimals=0,
            steps=[Step(1, "orange")],
        ),
        stat(
            title="Units that failed",
            queries=[Query(increase(_UNITS, where=_FAILED))],
            shows="Attempts at units that failed in the time shown; after three a unit is given up.",
            remedy="The log of that service has `unit_failed` with the traceback.",
            runbook="units-fail",
            unit="none",
            decimals=0,
            steps=[Step(1, "orange")],
        ),
        stat(
            title="Handed out again",
            queries=[Query(increase(_REPEATS))],
            shows="Units that were handed out once more in the time shown, failed ones and lost tasks.",
            remedy="Some after a crash are as they should be. The same unit again and again is not.",
            runbook="handed-out-again",
            unit="none",
            decimals=0,
            steps=[Step(50, "orange")],
        ),
        stat(
            title="First certificate ends in",
            queries=[Query(_ends_in("pairmill_certificate_expiry_timestamp_seconds"))],
            shows="Time until the first certificate ends of those that processes present or trust; infinite "
            "where there are none.",
            remedy="Put a new file in its place: it is read again without a restart.",
            runbook="certificate-expires",
            unit="s",
            starts="red",
            steps=[Step(2 * 86400, "orange"), Step(14 * 86400, "green")],
        ),
        stat(
            title="First token ends in",
            queries=[Query(_ends_in("pairmill_token_expiry_timestamp_seconds"))],
            shows="Time until the next token ends that somebody may call with; infinite where none ends.",
            remedy="`pairmill job token` draws another; the file is read again without a restart.",
            runbook="token-expires",
            unit="s",
            starts="red",
            steps=[Step(86400, "orange"), Step(7 * 86400, "green")],
        ),
    ),
)

_PROCESSES: Final = Row(
    "Processes",
    (
        Panel(
            title="Processes that answer",
            queries=[Query(f"sum by (service) ({picked('up')})", "{{service}}")],
            shows="Processes whose admin port answers, by service.",
            remedy="Fewer than were started: see which, and how they ended.",
            runbook="process-down",
            unit="none",
        ),
        Panel(
            title="Restarts",
            queries=[
                Query(
                    f"sum by (service) (changes({picked('process_start_time_seconds')}[{_HOUR}]))",
                    "{{service}}",
                )
            ],
            shows="How often processes of the same name started again within an hour. A rollout is one each.",
            remedy="Again and again: the exit code and the last line of the log say why; 137 is memory.",
            runbook="process-down",
            unit="none",
            steps=[Step(5, "orange")],
        ),
        Panel(
            title="Not live, not ready",
            queries=[
                Query(
                    f"sum by (service, check) ({picked('pairmill_live')} == bool 0)",
                    "{{service}} not live: {{check}}",
                ),
                Query(
                    f"sum by (service, check) ({picked('pairmill_ready')} == bool 0)",
                    "{{service}} not ready: {{check}}",
                ),
            ],
            shows="Processes for which a check of `/livez` or `/readyz` fails.",
            remedy="`/readyz` says in words what it waits for. Not live: start it again, that is always "
            "safe.",
            runbook="not-ready",
            unit="none",
        ),
        Panel(
            title="Memory",
            queries=[
                Query(highest(picked("process_resident_memory_bytes"), ["service"]), "{{service}}"),
            ],
            shows="Resident memory of the largest process of each service, its children left out.",
            remedy="It grows over days at the same work: a leak; restart it, and report it with its graph.",
            runbook="process-down",
            unit="bytes",
        ),
        Panel(
            title="Open files",
            queries=[
                Query(
                    f"max by (service) ({picked('process_open_fds')} / {picked('process_max_fds')})",
                    "{{service}}",
                )
            ],
            shows="Share of the files and connections that a process may have open.",
            remedy="Near 1: downloads stop for want of connections; raise the limit of the container.",
            runbook="outage",
            unit="percentunit",
            steps=[Step(0.8, "orange")],
        ),
        Panel(
            title="Room for private files",
            queries=[
                Query(
                    f"min by (service) ({picked('pairmill_scratch_free_bytes')}"
                    f" / {picked('pairmill_scratch_size_bytes')})",
                    "{{service}}",
                )
            ],
            shows="Share of the file system of the scratch folder that is free, of the fullest process.",
            remedy="Below a tenth: a larger volume, or fewer units in flight. At 0 the process waits.",
            runbook="disk-full",
            unit="percentunit",
            highest=1,
        ),
        Panel(
            title="Versions",
            queries=[
                Query(
                    f"count by (version, service) ({picked('pairmill_build_info')})",
                    "{{service}} {{version}}",
                )
            ],
            shows="Processes by the version of their code.",
            remedy="Two versions for more than an upgrade takes: finish it, or find who started the other.",
            runbook="versions-mixed",
            unit="none",
        ),
        Panel(
            title="Pauses",
            queries=[
                Query(
                    increase("pairmill_pauses_total", ["service", "cause"], window=_HOUR),
                    "{{service}} {{cause}}",
                ),
            ],
            shows="How often a service stopped taking work within an hour, for a part that was away or "
            "because its self-test failed.",
            remedy="`breaker`: a bad release or bundle. `dependency` now and then is weather.",
            runbook="breaker-open",
            unit="none",
        ),
        Panel(
            title="Children that died",
            queries=[
                Query(increase("pairmill_child_deaths_total", ["service"], window=_HOUR), "{{service}}")
            ],
            shows="Child processes of crawlers that died or were ended at work within an hour.",
            remedy="Many: their memory limit is too small, or somebody feeds hostile files.",
            runbook="units-fail",
            unit="none",
        ),
    ),
)

_WORK: Final = Row(
    "Work",
    (
        Panel(
            title="Units that did not end well",
            queries=[
                Query(
                    rate(
                        _UNITS,
                        ["service", "result"],
                        window=UNITS,
                        where='result=~"failed|retried|cut_off|poison"',
                    ),
                    "{{service}} {{result}}",
                )
            ],
            shows="Units a second that failed, wait for their environment, were cut off or are no tasks.",
            remedy="`retried` for long: a part is away. `cut_off`: members come and go. `failed`, `poison`: "
            "see the log.",
            runbook="units-fail",
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="Units handed out again",
            queries=[
                Query(increase(_REPEATS, ["cause", "times"], window=_HOUR), "{{cause}}, time {{times}}")
            ],
            shows="Units that a gateway handed out once more within an hour: `failed` attempts, `lost` "
            "tasks, and which repeat of that unit it was.",
            remedy="`lost` for the third time and more: tasks get lost on their way, or a process takes "
            "them and says nothing.",
            runbook="handed-out-again",
            unit="none",
            stacked=True,
        ),
        Panel(
            title="Dead letters by service",
            queries=[
                Query(
                    increase("pairmill_dead_letters_total", ["service", "reason"], window=_HOUR),
                    "{{service}} {{reason}}",
                )
            ],
            shows="Messages that were set aside within an hour.",
            remedy="A service alone: something else writes to its topic. All: another version's records.",
            runbook="dead-letters",
            unit="none",
        ),
        Panel(
            title="Jobs by state",
            queries=[Query(of_gateways("pairmill_jobs", ["state"], by=["state"]), "{{state}}")],
            shows="Jobs that gateways have seen at work since they started, by their state now.",
            remedy="`incomplete`: `pairmill job get JOB` says what is lacking. `blocked`: it waits for you.",
            runbook="job-incomplete",
            unit="none",
        ),
        Panel(
            title="Units open and closed",
            queries=[Query(of_gateways("pairmill_job_units", ["standing"], by=["standing"]), "{{standing}}")],
            shows="Units of the jobs that have not ended.",
            remedy="`open` stays and nothing is at work: tasks are lost; they are handed out again by "
            "themselves.",
            runbook="handed-out-again",
            unit="none",
        ),
        Panel(
            title="Share of failed units",
            queries=[
                Query(
                    share(
                        rate(_UNITS, ["service"], window=_HOUR, where=_FAILED),
                        rate(_UNITS, ["service"], window=_HOUR, where='service!="indexer"'),
                    ),
                    "{{service}}",
                )
            ],
            shows="Share of the units that failed, over an hour, by service.",
            remedy="Above some percent: a bad release rather than bad input.",
            runbook="units-fail",
            unit="percentunit",
            steps=[Step(0.05, "red")],
        ),
    ),
)

_PARTS: Final = Row(
    "Parts",
    (
        Panel(
            title="Calls of the store that fail",
            queries=[
                Query(
                    share(
                        rate("pairmill_store_failures_total", ["service"], window=UNITS),
                        rate("pairmill_store_operation_seconds_count", ["service"], window=UNITS),
                    ),
                    "{{service}}",
                )
            ],
            shows="Share of the calls that failed because the object store was away, tries included.",
            remedy="All services: the store. One: its network, its credentials.",
            runbook="store-errors",
            unit="percentunit",
            steps=[Step(0.02, "red")],
        ),
        Panel(
            title="Time of calls of the store",
            queries=[
                Query(
                    quantile(0.95, "pairmill_store_operation_seconds", ["operation"], window=UNITS),
                    "{{operation}}",
                )
            ],
            shows="95 % of the calls took at most this time, tries after failures included.",
            remedy="`put` of large shards takes as long as their bytes. All rise: the store is slow.",
            runbook="store-errors",
            unit="s",
        ),
        Panel(
            title="Calls of the API",
            queries=[Query(f"{rate('pairmill_rpc_requests_total', ['code'], window=UNITS)} > 0", "{{code}}")],
            shows="Calls of gateway and explorer over gRPC a second, by how they ended.",
            remedy="`INTERNAL`: a bug. `UNAUTHENTICATED` in numbers: a token ended, or someone guesses.",
            runbook="api-errors",
            unit="reqps",
        ),
    ),
)

RELIABILITY: Final = Dashboard(
    name="reliability",
    title="Reliability",
    about="What went wrong, what was done about it, and what ends soon?",
    rows=(_NOW, _PROCESSES, _WORK, _PARTS),
)
