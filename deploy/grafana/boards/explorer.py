"""Search and page: are answers quick and right, and who was turned away; and how indices come about."""

from __future__ import annotations

from typing import Final

from deploy.grafana.boards.common import middle_and_slow
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step, stat
from deploy.grafana.promql import UNITS, highest, picked, quantile, rate, share, summed

_HTTP: Final = "pairmill_http_requests_total"
_HTTP_SECONDS: Final = "pairmill_http_duration_seconds"
_RPC: Final = "pairmill_rpc_requests_total"
_RPC_SECONDS: Final = "pairmill_rpc_duration_seconds"
_EXPLORER: Final = 'service="explorer"'
_ERRORS: Final = 'status=~"5.."'
_RPC_ERRORS: Final = 'service="explorer", code=~"INTERNAL|UNAVAILABLE|DATA_LOSS"'
_HITS: Final = 'result="hit"'

_NOW: Final = Row(
    "Now",
    (
        stat(
            title="Requests",
            queries=[Query(f"{rate(_HTTP)} + {rate(_RPC, where=_EXPLORER)}")],
            shows="Requests a second over HTTP and gRPC.",
            remedy="0 while people search: the way to the explorer is broken before it; see the ingress.",
            runbook="process-down",
            unit="reqps",
        ),
        stat(
            title="Requests that fail",
            queries=[Query(share(rate(_HTTP, window=UNITS, where=_ERRORS), rate(_HTTP, window=UNITS)))],
            shows="Share of the HTTP requests, over five minutes, that ended with 5xx: 503 where it is busy "
            "or a dataset does not serve, 504 too slow.",
            remedy="The log of the explorer has each with its cause.",
            runbook="api-errors",
            unit="percentunit",
            decimals=2,
            steps=[Step(0.01, "orange"), Step(0.05, "red")],
        ),
        stat(
            title="Searches, 95 % within",
            queries=[Query(quantile(0.95, _RPC_SECONDS, window=UNITS, where='method=~".*/Search"'))],
            shows="How long 95 % of the searches over gRPC took at most, over five minutes.",
            remedy="Seconds: too many at once, an index larger than memory, or filters that keep almost "
            "nothing.",
            runbook="api-errors",
            unit="s",
            steps=[Step(1, "orange"), Step(5, "red")],
        ),
        stat(
            title="Lowest recall served",
            queries=[Query(f"min({picked('pairmill_served_recall')})")],
            shows="Recall@10 against exact search of the worst index that answers, as measured when it was "
            "built.",
            remedy="Below the gate: an older or hand-made index serves; have it built again.",
            runbook="recall-below-gate",
            unit="percentunit",
            decimals=1,
            starts="red",
            steps=[Step(0.8, "orange"), Step(0.9, "green")],
        ),
        stat(
            title="Datasets in trouble",
            queries=[Query(f"sum({picked('pairmill_dataset_in_trouble')}) or vector(0)")],
            shows="Datasets whose newest version, or its index, does not serve. The version before does.",
            remedy="`/readyz` and the log name dataset and error.",
            runbook="dataset-in-trouble",
            unit="none",
            steps=[Step(1, "red")],
        ),
        stat(
            title="Calls turned away",
            queries=[Query(rate("pairmill_refused_calls_total", window=UNITS))],
            shows="Calls a second that were refused because there were too many, of one caller or in all.",
            remedy="See below by which: a quota is one caller's matter, `work` asks for more replicas.",
            runbook="explorer-refuses",
            unit="reqps",
            steps=[Step(1, "orange")],
        ),
    ),
)

_ANSWERS: Final = Row(
    "Answers",
    (
        Panel(
            title="Requests by route",
            queries=[Query(f"topk(12, {rate(_HTTP, ['route'])})", "{{route}}")],
            shows="HTTP requests a second by route, the twelve busiest.",
            remedy="One route far above all others: one client in a loop; its quota turns it away.",
            runbook="explorer-refuses",
            unit="reqps",
        ),
        Panel(
            title="Time by route",
            queries=[Query(quantile(0.95, _HTTP_SECONDS, ["route"], window=UNITS), "{{route}}")],
            shows="95 % of the requests took at most this time, by route; the sending of the answer left "
            "out.",
            remedy="Pictures are slow: the store is, or decoders are too few. Searches are: see the steps.",
            runbook="api-errors",
            unit="s",
        ),
        Panel(
            title="Requests by status",
            queries=[Query(f"{rate(_HTTP, ['status'])} > 0", "{{status}}")],
            shows="HTTP requests a second by status.",
            remedy="401 in numbers: a token has ended, or someone guesses. 429: quota. 503: too much at "
            "once.",
            runbook="api-errors",
            unit="reqps",
            stacked=True,
        ),
        Panel(
            title="Calls over gRPC",
            queries=[Query(f"{rate(_RPC, ['method', 'code'], where=_EXPLORER)} > 0", "{{method}} {{code}}")],
            shows="Calls of the explorer's gRPC API a second, by method and end.",
            remedy="`INTERNAL`: a bug, the log has it. `UNAVAILABLE`: a dataset does not serve.",
            runbook="api-errors",
            unit="reqps",
        ),
        Panel(
            title="Time of calls over gRPC",
            queries=middle_and_slow(_RPC_SECONDS, window=UNITS, where=_EXPLORER),
            shows="How long calls of the explorer's gRPC API took at most, exports' streams included.",
            remedy="It rises with the calls at work: more replicas.",
            runbook="api-errors",
            unit="s",
        ),
        Panel(
            title="Steps of a search",
            queries=[
                Query(rate("pairmill_knn_step_seconds_sum", ["step"], window=UNITS), "{{step}}"),
            ],
            shows="Seconds a second that searches in clip-retrieval's protocol spend on encoding, filters, "
            "search and rows.",
            remedy="The largest step is what to give more of: cores for `encode` and `search`, memory for "
            "`rows`.",
            runbook="api-errors",
            unit="none",
        ),
    ),
)

_LOAD: Final = Row(
    "Load and quotas",
    (
        Panel(
            title="Refused calls by cause",
            queries=[Query(rate("pairmill_refused_calls_total", ["cause"], window=UNITS), "{{cause}}")],
            shows="Calls a second that were turned away: `quota` of one caller, `work` because too many "
            "wait.",
            remedy="`work`: more replicas, or more `PAIRMILL_WORK__THREADS` where cores idle.",
            runbook="explorer-refuses",
            unit="reqps",
        ),
        Panel(
            title="Calls at work",
            queries=[Query(summed(picked("pairmill_work_calls"), ["member"]), "{{member}}")],
            shows="Calls that are worked on or wait for a thread, by process.",
            remedy="At `PAIRMILL_WORK__THREADS` and `PAIRMILL_WORK__WAITING` together: further ones are "
            "refused.",
            runbook="explorer-refuses",
            unit="none",
        ),
        Panel(
            title="Connections",
            queries=[Query(summed(picked("pairmill_http_connections"), ["member"]), "{{member}}")],
            shows="Connections of the web server that are open.",
            remedy="Thousands with few requests: clients that do not close; a proxy before it helps.",
            runbook="explorer-refuses",
            unit="none",
        ),
        Panel(
            title="Rows searched",
            queries=[Query(rate("pairmill_searched_rows_total", ["member"]), "{{member}}")],
            shows="Rows of indices that searches looked at, a second.",
            remedy="It rises while searches do not: indices grew, or filters make them look further.",
            runbook="api-errors",
            unit="rowsps",
        ),
        Panel(
            title="Found in caches",
            queries=[
                Query(
                    share(
                        rate("pairmill_cache_requests_total", ["cache"], window="1h", where=_HITS),
                        rate("pairmill_cache_requests_total", ["cache"], window="1h"),
                    ),
                    "{{cache}}",
                )
            ],
            shows="Share of the requests, over an hour, for which an earlier answer was still there.",
            remedy="`pictures` low with many visitors: raise `PAIRMILL_CORE__THUMBNAIL_BYTES`.",
            runbook="explorer-refuses",
            unit="percentunit",
            highest=1,
        ),
        Panel(
            title="Exports",
            queries=[
                Query(summed(picked("pairmill_exports_open")), "at work or waiting"),
                Query(rate("pairmill_exported_samples_total", window=UNITS), "samples a second"),
            ],
            shows="Exports of subsets that are at work or wait, and how fast they write.",
            remedy="They wait and nothing is written: the store is away; the log says so.",
            runbook="outage",
            unit="none",
        ),
    ),
)

_INDICES: Final = Row(
    "Indices",
    (
        Panel(
            title="Recall and gate",
            queries=[
                Query(f"min by (dataset) ({picked('pairmill_served_recall')})", "{{dataset}}"),
                Query(highest(picked("pairmill_index_recall_gate")), "gate"),
            ],
            shows="Recall@10 of the index that answers, by dataset, and the gate that new ones have to pass.",
            remedy="A line below the gate: see the runbook. All close above it: give more memory or latency.",
            runbook="recall-below-gate",
            unit="percentunit",
            lowest=None,
            highest=1,
        ),
        Panel(
            title="Recall of the last build",
            queries=[
                Query(f"min by (bucket, model) ({picked('pairmill_index_recall')})", "{{bucket}} {{model}}")
            ],
            shows="Recall@10 of what the indexers published last, by language and modality; 1 before the "
            "first.",
            remedy="One language far lower: few samples, whose lists are too small; raise the latency "
            "budget.",
            runbook="index-refused",
            unit="percentunit",
            lowest=None,
            highest=1,
        ),
        Panel(
            title="Samples searched",
            queries=[Query(highest(picked("pairmill_index_rows"), ["dataset"]), "{{dataset}}")],
            shows="Samples in the index that answers, by dataset, removed ones included.",
            remedy="It does not grow after a job: the dataset waits for its index.",
            runbook="index-refused",
            unit="short",
        ),
        Panel(
            title="Datasets that wait for an index",
            queries=[Query(summed(picked("pairmill_jobs_unindexed")))],
            shows="Jobs that have ended and whose dataset has no index yet.",
            remedy="It does not fall: no indexer runs, or the build is refused.",
            runbook="index-refused",
            unit="none",
        ),
        Panel(
            title="Changes and refusals of indices",
            queries=[
                Query(rate("pairmill_index_changes_total", ["change"], window="1h"), "{{change}}"),
                Query(rate("pairmill_index_refusals_total", ["reason"], window="1h"), "refused: {{reason}}"),
            ],
            shows="Tasks of indexers a second, over an hour, by what they came to.",
            remedy="A refusal: the log of the indexer and its dead letter have the cause.",
            runbook="index-refused",
            unit="reqps",
        ),
        Panel(
            title="Mergers that are refused",
            queries=[
                Query(rate("pairmill_index_merges_refused_total", ["reason"], window="1h"), "{{reason}}")
            ],
            shows="Changes of indices a second, over an hour, that left a bucket in too many segments.",
            remedy="Searches get a little slower with each: more memory, more time, or a lower gate.",
            runbook="merge-refused",
            unit="reqps",
        ),
        Panel(
            title="Rows that a build has left",
            queries=[
                Query(
                    f"{summed(picked('pairmill_index_step_rows'), ['member'])}"
                    f" - {summed(picked('pairmill_index_step_done_rows'), ['member'])}",
                    "{{member}}",
                )
            ],
            shows="Rows that the step under way of a build has still to go through; 0 where nothing is at "
            "work.",
            remedy="It does not fall for an hour: the build's child hangs or swaps; see its memory limit.",
            runbook="index-refused",
            unit="short",
        ),
    ),
)

EXPLORER: Final = Dashboard(
    name="explorer",
    title="Explorer",
    about="Are answers quick and right, who is turned away, and do datasets get their indices?",
    rows=(_NOW, _ANSWERS, _LOAD, _INDICES),
)
