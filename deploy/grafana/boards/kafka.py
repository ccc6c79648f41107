"""What lies between the stages: how much waits, who reads it, and whether it moves."""

from __future__ import annotations

from typing import Final

from deploy.grafana.boards.common import middle_and_slow
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step, stat
from deploy.grafana.promql import UNITS, highest, picked, rate, share, summed

_LAG: Final = "pairmill_consumer_lag_records"
_QUIET: Final = "pairmill_seconds_since_progress"
_WORKS: Final = 'topic!~"download-retry-.*"'
_RETRIES: Final = 'topic=~"download-retry-.*"'
_DEPENDENCY: Final = 'cause="dependency"'

_LAGS: Final = Row(
    "What waits",
    (
        Panel(
            title="Lag by topic",
            queries=[Query(summed(picked(_LAG, _WORKS), ["topic"]), "{{topic}}")],
            shows="Tasks after the committed offset, by topic: those that wait and those at work.",
            remedy="One grows while the next stays empty: the stage that reads it is the slowest. All grow: "
            "a shared part is slow; see the store and the publishing below.",
            runbook="no-progress",
            unit="none",
            width=12,
        ),
        Panel(
            title="Lag of the retry rounds",
            queries=[Query(summed(picked(_LAG, _RETRIES), ["topic"]), "{{topic}}")],
            shows="Tasks that wait for their time, a minute to an hour, before failed URLs are tried again. "
            "This is no work, and no reason for more processes.",
            remedy="More than the downloader hands on in an hour: downloaders are too few for both.",
            runbook="no-progress",
            unit="none",
            width=12,
        ),
        Panel(
            title="Silence of partitions",
            queries=[
                Query(
                    f"topk(10, {highest(picked(_QUIET, _WORKS), ['topic', 'partition'])})",
                    "{{topic}}-{{partition}}",
                )
            ],
            shows="For how long a partition with lag has committed nothing; the ten longest.",
            remedy="One alone, while others of its topic move: its owner hangs on one unit, or is stuck. An "
            "hour: start its owner again; that is always safe.",
            runbook="stuck-partition",
            unit="s",
            steps=[Step(1800, "orange"), Step(3600, "red")],
            width=12,
        ),
        Panel(
            title="Partitions by member",
            queries=[
                Query(f"count by (service, member) ({picked(_LAG)})", "{{service}} {{member}}"),
            ],
            shows="How many partitions each process reads. Those of download topics with the same number "
            "lie with the same process.",
            remedy="The sum of a service falls: partitions that nobody reads wait. Very uneven: a member "
            "joined under a new name instead of its old one.",
            runbook="stuck-partition",
            unit="none",
            width=12,
        ),
        Panel(
            title="Time to drain",
            queries=[
                Query(
                    f"{summed(picked(_LAG, _WORKS), ['service'])}"
                    f" / ({rate('pairmill_units_total', ['service'], window=UNITS)} > 0)",
                    "{{service}}",
                )
            ],
            shows="How long what waits will take at the pace of the last five minutes.",
            remedy="Hours: what scaling by lag is to keep short; more processes, up to the partitions.",
            runbook="no-progress",
            unit="s",
            width=12,
        ),
        Panel(
            title="Units at work",
            queries=[Query(summed(picked("pairmill_units_in_flight"), ["service"]), "{{service}}")],
            shows="Units that are worked on now, by service.",
            remedy="0 with lag: paused, or not in its group. At its limit: more processes.",
            runbook="not-ready",
            unit="none",
            width=12,
        ),
    ),
)

_PUBLISHING: Final = Row(
    "Publishing",
    (
        Panel(
            title="Records published",
            queries=[
                Query(
                    f"{rate('pairmill_bus_published_records_total', ['topic'], window=UNITS)} > 0",
                    "{{topic}}",
                )
            ],
            shows="Records that were acknowledged, a second, by topic.",
            remedy="`dead-letters` appears: see Reliability. `ledger` falls to 0: no unit ends anywhere.",
            runbook="no-progress",
            unit="rowsps",
        ),
        Panel(
            title="Bytes published",
            queries=[
                Query(rate("pairmill_bus_published_bytes_total", ["service"], window=UNITS), "{{service}}")
            ],
            shows="Bytes of the records that were acknowledged, a second. Records are references: kilobytes.",
            remedy="Megabytes a second: something publishes in a loop; look at records by topic.",
            runbook="queue-tampered",
            unit="Bps",
        ),
        Panel(
            title="Time until an acknowledgement",
            queries=middle_and_slow("pairmill_bus_publish_seconds", ["service"], window=UNITS),
            shows="From publishing to the acknowledgement of all replicas.",
            remedy="Seconds: a replica lags or a disk is slow; look at the brokers.",
            runbook="outage",
            unit="s",
            steps=[Step(5, "orange")],
        ),
        Panel(
            title="Publishing that failed",
            queries=[
                Query(rate("pairmill_bus_publish_failures_total", ["service"], window=UNITS), "{{service}}")
            ],
            shows="Calls a second after which some records were not acknowledged. They are published again.",
            remedy="Above zero for minutes: brokers are away or have too few replicas in step.",
            runbook="outage",
            unit="reqps",
            steps=[Step(0.01, "orange")],
        ),
        Panel(
            title="Deliveries for nothing",
            queries=[
                Query(
                    share(
                        rate("pairmill_units_total", ["service"], window=UNITS, where='result="unwanted"'),
                        rate("pairmill_units_total", ["service"], window=UNITS),
                    ),
                    "{{service}}",
                )
            ],
            shows="Share of the deliveries whose unit was closed already, over five minutes: harmless, and "
            "work of the bus for nothing.",
            remedy="Most of them for long: offsets were set back, or members come and go; see restarts in "
            "Reliability.",
            runbook="queue-tampered",
            unit="percentunit",
            steps=[Step(0.5, "orange")],
        ),
        Panel(
            title="Waits for a part",
            queries=[
                Query(
                    highest(picked("pairmill_paused", _DEPENDENCY), ["service", "member"]),
                    "{{service}} {{member}}",
                ),
                Query(
                    highest(picked("pairmill_startup_waiting"), ["service", "need"]),
                    "{{service}} starts, waits for {{need}}",
                ),
            ],
            shows="1 where a process takes no work because bus, store, model server, network or disk is "
            "away.",
            remedy="`/readyz` of that process names the part and the error.",
            runbook="outage",
            unit="none",
            highest=1,
        ),
    ),
)

_NOW: Final = Row(
    "Now",
    (
        stat(
            title="Tasks that wait",
            queries=[Query(summed(picked(_LAG, _WORKS)))],
            shows="Tasks of all topics after the committed offsets, retry rounds left out.",
            remedy="It grows from day to day: the pipeline is slower than what it is given.",
            runbook="no-progress",
            unit="short",
            width=6,
        ),
        stat(
            title="Longest silence",
            queries=[Query(highest(picked(_QUIET, _WORKS)))],
            shows="For how long the quietest partition with lag has committed nothing.",
            remedy="An hour: a unit takes that long, or its owner is stuck.",
            runbook="stuck-partition",
            unit="s",
            steps=[Step(1800, "orange"), Step(3600, "red")],
            width=6,
        ),
        stat(
            title="Partitions read",
            queries=[Query(f"count({picked(_LAG)})")],
            shows="Partitions of task topics that some process reads.",
            remedy="Fewer than `pairmill topics check` lists for these topics: a service does not run.",
            runbook="stuck-partition",
            unit="none",
            width=6,
        ),
        stat(
            title="Processes that wait for a part",
            queries=[Query(f"count({picked('pairmill_paused', _DEPENDENCY)} == 1) or vector(0)")],
            shows="Processes that take no work because something they need is away.",
            remedy="All: a shared part is away. One: its own network or disk.",
            runbook="outage",
            unit="none",
            steps=[Step(1, "red")],
            width=6,
        ),
    ),
)

KAFKA: Final = Dashboard(
    name="kafka",
    title="Kafka bus",
    about="What waits between the stages, who reads it, and does it move?",
    rows=(_NOW, _LAGS, _PUBLISHING),
)
