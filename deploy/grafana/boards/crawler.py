"""Archive files in, candidates out."""

from __future__ import annotations

from typing import Final

from deploy.grafana.boards.common import lag_of, unit_times, units_by_result
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step, stat
from deploy.grafana.promql import UNITS, increase, picked, rate, share, summed

_RECORDS: Final = "pairmill_records_processed_total"
_CRAWLER: Final = 'service="crawler"'
_PASSED: Final = 'service="crawler", outcome="passed"'
_DROPPED: Final = 'service="crawler", outcome="dropped"'
_DONE: Final = 'service="crawler", result="done"'

_NOW: Final = Row(
    "Now",
    (
        stat(
            title="Archive read",
            queries=[Query(rate("pairmill_wat_bytes_total"))],
            shows="Bytes of WATs that are read and worked on, as stored, a second.",
            remedy="0 with lag: the source does not answer, or crawlers are paused; their log says which.",
            runbook="no-progress",
            unit="Bps",
            width=6,
        ),
        stat(
            title="WATs done",
            queries=[Query(increase("pairmill_units_total", where=_DONE))],
            shows="WATs that were read to their end in the time shown.",
            remedy="None with lag: see the time a WAT takes, and the log of a crawler.",
            runbook="no-progress",
            unit="none",
            decimals=0,
            width=6,
        ),
        stat(
            title="Links that become candidates",
            queries=[
                Query(
                    share(
                        rate(_RECORDS, window="1h", where=_PASSED),
                        rate(_RECORDS, window="1h", where=_CRAWLER),
                    )
                )
            ],
            shows="Share of records and links that passed the crawler's rules, over an hour.",
            remedy="Far from what it was: other rules in the job, or archives of another kind; the reasons "
            "below say which rule takes most.",
            runbook="keep-rate",
            unit="percentunit",
            decimals=1,
            width=6,
        ),
        stat(
            title="Children that died",
            queries=[Query(increase("pairmill_child_deaths_total"))],
            shows="Child processes that read WATs and died or were ended at work, in the time shown. Each "
            "cost a record its place, and no more.",
            remedy="Now and then is hostile input at work. Many: the children's memory limit is too small.",
            runbook="units-fail",
            unit="none",
            decimals=0,
            steps=[Step(10, "orange")],
            width=6,
        ),
    ),
)

_WORK: Final = Row(
    "Work",
    (
        Panel(
            title="Candidates and drops",
            queries=[
                Query(rate(_RECORDS, window=UNITS, where=_PASSED), "candidates"),
                Query(rate(_RECORDS, window=UNITS, where=_DROPPED), "dropped"),
            ],
            shows="Links of finished WATs, a second: those that became candidates and those that did not. "
            "They are counted when a WAT ends, so they come in leaps.",
            remedy="Candidates fall while bytes do not: look at the reasons.",
            runbook="keep-rate",
            unit="rowsps",
            width=12,
        ),
        Panel(
            title="Dropped by reason",
            queries=[Query(f"topk(15, {increase(_RECORDS, ['reason'], where=_DROPPED)})", "{{reason}}")],
            kind="bargauge",
            shows="Why links did not become candidates, in the time shown; the fifteen most frequent.",
            remedy="`bad_record`, `corrupt_gzip` or `truncated` in numbers: the source sends broken files. "
            "docs/reasons.md says what each means.",
            runbook="job-incomplete",
            width=12,
        ),
        unit_times("crawler", "A WAT is read in", "crawlers share the processor, or the source is slow"),
        units_by_result("crawler"),
        lag_of("crawler", "wat-tasks"),
    ),
)

_LOAD: Final = Row(
    "Load",
    (
        Panel(
            title="Cores of crawlers",
            queries=[
                Query(
                    rate("pairmill_cpu_seconds_total", ["member"], window=UNITS, where=_CRAWLER), "{{member}}"
                )
            ],
            shows="CPU of each crawler with its children, in cores. A crawler works on as many WATs at once "
            "as it has units in flight.",
            remedy="Below one per unit in flight: it waits for the source or the store.",
            runbook="no-progress",
            unit="cores",
        ),
        Panel(
            title="WATs at work",
            queries=[
                Query(summed(picked("pairmill_units_in_flight", _CRAWLER), ["member"]), "{{member}}"),
            ],
            shows="WATs that are being read now.",
            remedy="0 with lag: the crawler is paused, or not in its group; its `/readyz` says why.",
            runbook="not-ready",
            unit="none",
        ),
        Panel(
            title="Archive bytes for a core second",
            queries=[
                Query(
                    f"{rate('pairmill_wat_bytes_total', window=UNITS)}"
                    f" / ({rate('pairmill_cpu_seconds_total', window=UNITS, where=_CRAWLER)} > 0)"
                )
            ],
            shows="How many bytes of archive a core second is worth; about the same from day to day.",
            remedy="It fell with a release: compare with docs/benchmarks.md.",
            unit="bytes",
        ),
    ),
)

CRAWLER: Final = Dashboard(
    name="crawler",
    title="Crawler",
    about="How fast are archive files read, and what becomes of their links?",
    rows=(_NOW, _WORK, _LOAD),
)
