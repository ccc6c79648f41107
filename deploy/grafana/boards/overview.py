"""The whole pipeline on one page: is it at work, how fast, what is kept, what waits, what it costs."""

from __future__ import annotations

from typing import Final

from deploy.grafana.panels import Dashboard, Panel, Price, Query, Row, Step, stat
from deploy.grafana.promql import (
    TRITON_SCOPE,
    UNITS,
    highest,
    increase,
    of_gateways,
    picked,
    rate,
    share,
    summed,
)

_RECORDS: Final = "pairmill_records_processed_total"
_SCORED: Final = 'service="scorer"'
_KEPT: Final = 'service="scorer", outcome="kept"'
_FETCHED: Final = 'service="downloader", outcome=~"passed|failed"'
_AT_WORK: Final = 'state=~"admitted|crawling|draining|finalising|finished"'
_ENDED: Final = 'standing="ended"'
_HOUR: Final = "1h"
_LAG: Final = "pairmill_consumer_lag_records"
_ENDED_UNITS: Final = 'result=~"done|failed|unwanted|poison"'
_WORKS: Final = 'topic!~"download-retry-.*"'
"""Topics whose tasks do not wait for their time."""

_LEFT: Final = (
    f"({of_gateways('pairmill_job_expected_candidates')}"
    f" - {of_gateways('pairmill_job_candidates', ['standing'], where=_ENDED)})"
)
_CPU_COST: Final = f"{rate('pairmill_cpu_seconds_total', window=_HOUR)} * $core_hour"
_GPUS: Final = f"(count({picked('nv_gpu_utilization', scope=TRITON_SCOPE)}) or vector(0))"
_COST: Final = f"({_CPU_COST} + {_GPUS} * $gpu_hour) / 3600"

_NOW: Final = Row(
    "Now",
    (
        stat(
            title="Jobs at work",
            queries=[Query(of_gateways("pairmill_jobs", ["state"], where=_AT_WORK))],
            shows="Jobs that were admitted and have not ended, without those that are blocked.",
            remedy="Fewer than were submitted and have not ended: no gateway has read the topic of jobs yet.",
            runbook="process-down",
            unit="none",
            width=3,
        ),
        stat(
            title="Jobs blocked",
            queries=[Query(of_gateways("pairmill_jobs", ["state"], where='state="blocked"'))],
            shows="Jobs that wait for a person, because of a unit or of a version that nobody runs.",
            remedy="`pairmill job get JOB` names what holds it up. Remove that, then `pairmill job resume "
            "JOB`.",
            runbook="job-blocked",
            unit="none",
            steps=[Step(1, "red")],
            width=3,
        ),
        stat(
            title="Alerts that fire",
            queries=[
                Query(
                    'count(ALERTS{alertname=~"Pairmill.+", alertstate="firing", '
                    'namespace=~"$namespace"}) or vector(0)'
                )
            ],
            shows="Alerts of Pairmill's rules that fire now; red marks in all graphs say since when.",
            remedy="Each alert names its runbook.",
            runbook="README",
            unit="none",
            steps=[Step(1, "orange")],
            width=3,
        ),
        stat(
            title="Pairs kept",
            queries=[Query(rate(_RECORDS, window=UNITS, where=_KEPT))],
            shows="Image-text pairs that were scored and met the thresholds, a second, over five minutes.",
            remedy="0 with jobs at work: the funnel below shows the stage at which it ends.",
            runbook="no-progress",
            unit="rowsps",
            width=3,
        ),
        stat(
            title="Keep rate",
            queries=[
                Query(
                    share(
                        rate(_RECORDS, window=_HOUR, where=_KEPT), rate(_RECORDS, window=_HOUR, where=_SCORED)
                    )
                )
            ],
            shows="Share of the scored pairs that met the thresholds, over an hour. By the job's profile a "
            "few to forty percent are usual.",
            remedy="Near 0: thresholds of another model, or embeddings that mean nothing; look at the "
            "distributions in Scorer. Near 1: a profile that keeps everything.",
            runbook="keep-rate",
            unit="percentunit",
            decimals=1,
            starts="red",
            steps=[Step(0.005, "green")],
        ),
        stat(
            title="Time to finish",
            queries=[Query(f"{_LEFT} / ({rate(_RECORDS, window='15m', where=_FETCHED)} > 0)")],
            shows="Downloads that are left, at the pace of the last quarter of an hour. Waves that wait are "
            "taken to bring what the others brought, so that the estimate gets better with each wave.",
            remedy="It grows: plans are made faster than downloads; add downloaders, up to the partitions.",
            runbook="no-progress",
            unit="s",
            decimals=0,
        ),
        stat(
            title="Cost of a million kept pairs",
            queries=[Query(f"1e6 * {_COST} / ({rate(_RECORDS, window=_HOUR, where=_KEPT)} > 0)")],
            shows="CPU of all processes with their children over the last hour, and Triton's GPUs, at the "
            "prices at the top of the page. Idle cores, storage and traffic are left out.",
            remedy="It rises: the keep rate has fallen, or processes work in vain; compare the cores of "
            "each service with its records.",
            decimals=2,
        ),
    ),
)

_FUNNEL: Final = Row(
    "Funnel",
    (
        Panel(
            title="Rows by stage and outcome",
            kind="bargauge",
            queries=[
                Query(increase(_RECORDS, ["service", "outcome"]), "{{service}} {{outcome}}"),
            ],
            shows="Rows of the units that ended in the time shown, by stage. A stage takes in what the one "
            "before it passed. Repeated units count again: the books that close are those of `pairmill "
            "audit`.",
            remedy="A stage without rows stands still: see its dashboard. One with more failed than before: "
            "see the reasons there.",
            runbook="no-progress",
            unit="short",
            width=12,
            height=11,
        ),
        Panel(
            title="Records by stage",
            queries=[Query(rate(_RECORDS, ["service"], window=UNITS), "{{service}}")],
            shows="Rows of finished units a second, by stage; with large units they come in leaps.",
            remedy="The stage that falls behind the one before it limits the job: give it more processes.",
            runbook="no-progress",
            unit="rowsps",
            width=12,
            height=11,
        ),
    ),
)

_THROUGHPUT: Final = Row(
    "Throughput",
    (
        Panel(
            title="Images and pairs",
            queries=[
                Query(rate("pairmill_images_examined_total", where='reason=""'), "images stored"),
                Query(rate("pairmill_inference_rows_total", ["model"]), "{{model}} embedded"),
                Query(rate(_RECORDS, window=UNITS, where=_SCORED), "pairs scored"),
                Query(rate(_RECORDS, window=UNITS, where=_KEPT), "pairs kept"),
            ],
            shows="Images that were fetched, checked and stored; rows that the towers of the model answered "
            "for; pairs scored and kept.",
            remedy="Images run ahead of embedded rows: the model limits; see Inference and Triton. Both are "
            "low: the network or hosts limit; see Downloader.",
            runbook="no-progress",
            unit="rowsps",
        ),
        Panel(
            title="Bytes",
            queries=[
                Query(rate("pairmill_wat_bytes_total"), "WATs read"),
                Query(rate("pairmill_downloaded_bytes_total"), "images downloaded"),
                Query(rate("pairmill_store_bytes_total", ["operation"]), "store {{operation}}"),
            ],
            shows="Bytes on the wire: archive files, images, and what is written to and read from the store.",
            remedy="Flat at the capacity of a line: that line is the limit. The store reads far more than "
            "it writes: units are repeated; see Reliability.",
            runbook="outage",
            unit="Bps",
        ),
        Panel(
            title="Cores by service",
            queries=[
                Query(rate("pairmill_cpu_seconds_total", ["service"], window=UNITS), "{{service}}"),
            ],
            shows="CPU that processes and their children use, in cores.",
            remedy="Far below what a service is given, with lag: it waits for something else; its dashboard "
            "says for what. Near zero in all: see the alerts.",
            runbook="outage",
            unit="cores",
            stacked=True,
        ),
    ),
)

_QUEUES: Final = Row(
    "Queues",
    (
        Panel(
            title="Lag by service",
            queries=[Query(summed(picked(_LAG, _WORKS), ["service"]), "{{service}}")],
            shows="Tasks that wait or are at work, by the service that reads them; retry rounds, which wait "
            "for their time, left out.",
            remedy="It grows without end: that service is the slowest; add processes up to the number of "
            "partitions. It stands still: see Kafka bus.",
            runbook="no-progress",
            unit="none",
        ),
        Panel(
            title="Time to drain",
            queries=[
                Query(
                    f"{summed(picked(_LAG, _WORKS), ['service'])}"
                    f" / ({rate('pairmill_units_total', ['service'], window=UNITS, where=_ENDED_UNITS)} > 0)",
                    "{{service}}",
                )
            ],
            shows="How long what waits now will take at the pace of the last five minutes; nothing while no "
            "unit ends.",
            remedy="More than a few hours: more processes, or accept that the job takes that long.",
            runbook="no-progress",
            unit="s",
        ),
        Panel(
            title="Longest silence of a partition",
            queries=[
                Query(highest(picked("pairmill_seconds_since_progress", _WORKS), ["service"]), "{{service}}"),
            ],
            shows="For how long a partition with tasks has committed nothing. A unit may take minutes.",
            remedy="Beyond an hour: find out by `/readyz` what the process that owns it waits for.",
            runbook="no-progress",
            unit="s",
            steps=[Step(1800, "orange"), Step(3600, "red")],
        ),
    ),
)

OVERVIEW: Final = Dashboard(
    name="overview",
    title="Overview",
    about="Is the pipeline at work, how fast, what does it keep, what waits, and what does it cost?",
    rows=(_NOW, _FUNNEL, _THROUGHPUT, _QUEUES),
    prices=(
        Price("core_hour", "Price of a core hour", "0.04"),
        Price("gpu_hour", "Price of a GPU hour", "2.50"),
    ),
)
