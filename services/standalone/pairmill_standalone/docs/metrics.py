"""`docs/metrics.md`: everything that Prometheus can ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from pairmill_standalone.docs.measures import (
    EVERY_SERVICE,
    EVERY_STAGE,
    RPC,
    TRITON,
    Measure,
    all_measures,
)

SERVICES: Final = ("gateway", "crawler", "downloader", "inference", "scorer", "indexer", "explorer")
LABELS: Final[Mapping[str, str]] = {
    "bucket": "`en`, `multi`, `nolang`: a language bucket",
    "cache": "of the explorer: `filters`, `results` (of queries, for their next pages), `pictures`",
    "cause": "of pauses `dependency` (bus, store, model server or disk), `breaker` (the self-test fails); of \
refused calls `quota` (of a caller), `work` (too many wait); of units handed out again `failed` (an \
attempt), `lost` (its task)",
    "change": "`built`, `added` (to the version before), `none` (it was up to date)",
    "check": "`loop`, `bus`, `store`, of inference `model` too",
    "dataset": "a dataset by the name that the explorer's settings give it, or that of its folder",
    "code": "gRPC's status, such as `OK`",
    "method": "a method of the API, such as `pairmill.gateway.v1.JobService/SubmitJob`",
    "model": "`image` or `text`: the tower; of an index the modality",
    "need": "`bus` with its topics, `store`",
    "operation": "`put`, `get` (whole objects, verified), `get_range`, `stat`",
    "outcome": "`passed`, `handed_on`, `dropped`, `kept`, `filtered`, `failed`",
    "partition": "a number",
    "reason": "of the closed set in [reasons.md](reasons.md), empty where none is needed; of dead letters \
`invalid_record`; of index tasks that too, `low_recall`, `corrupt_object`, `object_missing`, \
`not_indexable`, `build_failed`",
    "result": "of units: `done`, `failed`, `retried` (waits for its environment), `cut_off`, `unwanted` \
(closed already), `poison` (no task); of requests to Triton: `answered`, `busy` (its queue is full), `away`, \
`slow` (no answer in time), `refused` (by the model), `wrong` (no answer of this model); of caches `hit`, \
`miss`",
    "route": "a call of the services, such as `SearchService/Search`, or one of the other addresses",
    "role": "what a file is, as in [formats.md](formats.md); `step` for what the janitor removes",
    "setting": "what names the file, such as `rpc.tls.certificate_file`",
    "service": "name of the service",
    "standing": "of units `open` or `closed`; of candidates `planned`, `ended` (their download), `passed` \
(the thresholds)",
    "state": "`admitted`, `crawling`, `draining`, `finalising`, `finished`, `blocked`, `complete`, \
`incomplete`, `cancelled`; of exports `complete`, `failed`, `cancelled`",
    "status": "HTTP's status",
    "step": "`encode`, `filter`, `search`, `rows`; `all` of them",
    "times": "`1`, `2`, `3`, `more`",
    "topic": "of lag and progress a topic that the service's group reads; of published records any",
    "version": "of Pairmill; of `pairmill_index_info` that of the index",
}

_INTRODUCTION: Final = """\
# Metrics

What `/metrics` of each service shows. Names are `pairmill_<thing>_<unit>`, in base units; counters end in \
`_total`. A measure that services share has one name in all of them: the scrape adds `service` and \
`instance`, as [deploy/prometheus/prometheus.yml](../deploy/prometheus/prometheus.yml) does. Every value of \
a label comes from a closed set, and stands at zero from the start, so that a rate is right from the first \
event on; topics and partitions appear when they are assigned.

Besides these each process has the standard `process_…` measures: CPU, resident memory, open files. They \
do not count its children, in which WATs are read and images decoded; `pairmill_cpu_seconds_total` does.

[deploy/prometheus/rules.yml](../deploy/prometheus/rules.yml) records from them what a dashboard shows, and \
has the alerts, each with a [runbook](runbooks/README.md).
"""
_TABLE: Final = "| metric | type | unit | meaning |\n|---|---|---|---|\n"
_OWNERS: Final[Mapping[str, str]] = {
    EVERY_SERVICE: "Of every process, the gateway's too.",
    EVERY_STAGE: "Of crawler, planner, downloader, inference, scorer, finaliser and indexer. The gateway of \
a cluster has those of bus and store too.",
    **dict.fromkeys(SERVICES, ""),
    RPC: "Of services that answer calls.",
    TRITON: "Of inference processes that ask Triton.",
}


def metrics_page(root: Path) -> str:
    """Returns the page; `root` is the repository."""
    return "".join(_page(all_measures(root)))


def _page(measures: list[Measure]) -> Iterator[str]:
    yield _INTRODUCTION
    for owner in dict.fromkeys([*_OWNERS, *(measure.owner for measure in measures)]):
        owned = [measure for measure in measures if measure.owner == owner]
        if owned:
            yield f"\n## {owner[0].upper()}{owner[1:]}\n"
            yield f"{_OWNERS[owner]}\n\n" if _OWNERS.get(owner) else ""
            yield measures_table(owned)
    yield "\n## Labels\n| label | values |\n|---|---|\n"
    for label in sorted({label for measure in measures for label in measure.labels}):
        yield f"| `{label}` | {LABELS.get(label, '')} |\n"


def measures_table(measures: Iterable[Measure]) -> str:
    """Returns a table of measures."""
    return _TABLE + "".join(
        f"| `{measure.shown}` | {measure.kind} | {measure.unit} | {measure.meaning} |\n"
        for measure in measures
    )
