"""Hosts asked, images fetched, checked and stored."""

from __future__ import annotations

from typing import Final

from deploy.grafana.boards.common import lag_of, middle_and_slow, unit_times, units_by_result
from deploy.grafana.failures import CLASSES
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step, stat
from deploy.grafana.promql import UNITS, increase, picked, rate, share, summed

_FETCHES: Final = "pairmill_fetches_total"
_IMAGES: Final = "pairmill_images_examined_total"
_BODY: Final = 'reason=""'
_FAILED: Final = 'reason!=""'
_CONSENT: Final = f'reason=~"{CLASSES["consent"]}"'
_HANDED_ON: Final = 'service="downloader", outcome="handed_on"'
_DOWNLOADER: Final = 'service="downloader"'

_NOW: Final = Row(
    "Now",
    (
        stat(
            title="Fetches that bring a body",
            queries=[
                Query(
                    share(rate(_FETCHES, window=UNITS, where=_BODY), rate(_FETCHES, window=UNITS)),
                )
            ],
            shows="Share of the attempts at URLs that ended with a whole body, over five minutes. Of links "
            "that are some years old two thirds are usual.",
            remedy="Below a half: the classes below say whether it is our network, the hosts, or consent.",
            runbook="fetches-fail",
            unit="percentunit",
            decimals=1,
            starts="red",
            steps=[Step(0.3, "orange"), Step(0.5, "green")],
            width=6,
        ),
        stat(
            title="Images stored",
            queries=[Query(rate(_IMAGES, where=_BODY))],
            shows="Images a second that were fetched, checked and stored.",
            remedy="Far below what the line allows: see whether hosts' turns or decoders are waited for.",
            runbook="no-progress",
            unit="rowsps",
            width=6,
        ),
        stat(
            title="Bytes downloaded",
            queries=[Query(rate("pairmill_downloaded_bytes_total"))],
            shows="Bytes of the bodies that arrived whole, a second.",
            remedy="Flat at the line's capacity: more downloaders do not help.",
            runbook="no-progress",
            unit="Bps",
            width=6,
        ),
        stat(
            title="Refused by consent",
            queries=[
                Query(share(rate(_FETCHES, window=UNITS, where=_CONSENT), rate(_FETCHES, window=UNITS))),
            ],
            shows="Share of the attempts that robots.txt, a header, TDMRep or AIPREF forbade. Nothing of "
            "those images was kept.",
            remedy="A fifth and more: the user agent may have come onto lists; what it says of whom to ask "
            "is in the job's `download.user_agent_token`.",
            runbook="fetches-fail",
            unit="percentunit",
            decimals=1,
            steps=[Step(0.2, "orange")],
            width=6,
        ),
    ),
)

_ENDINGS: Final = Row(
    "How fetches end",
    (
        Panel(
            title="Failures by class",
            queries=[
                Query(
                    share(
                        rate(_FETCHES, window=UNITS, where=f'reason=~"{reasons}"'),
                        rate(_FETCHES, window=UNITS),
                    ),
                    name,
                )
                for name, reasons in CLASSES.items()
            ],
            shows="Share of the attempts, over five minutes, that failed on the network, by the host's "
            "answer, for consent, or because the address is refused.",
            remedy="network: our line or resolver more likely than most hosts at once. host: we may be "
            "unwelcome, look for 403 and 429. refused: the links, or somebody tries to reach inwards.",
            runbook="fetches-fail",
            unit="percentunit",
            width=12,
            steps=[Step(0.6, "red")],
        ),
        Panel(
            title="Failures by reason",
            kind="bargauge",
            queries=[Query(f"topk(20, {increase(_FETCHES, ['reason'], where=_FAILED)})", "{{reason}}")],
            shows="Attempts that did not bring a body in the time shown, the twenty most frequent reasons. "
            "What may heal is tried again in the retry rounds.",
            remedy="docs/reasons.md says what each means and what can be done about it.",
            runbook="fetches-fail",
            width=12,
        ),
        Panel(
            title="Images by what was found",
            queries=[
                Query(rate(_IMAGES, where=_BODY), "stored"),
                Query(f"topk(10, {rate(_IMAGES, ['reason'], where=_FAILED)} > 0)", "{{reason}}"),
            ],
            shows="Bodies that were examined, a second: stored, or what is wrong with them.",
            remedy="`decode_error`, `decoder_crash` or `timeout_decode` in numbers: decoders have too "
            "little memory or time; see their settings.",
            runbook="units-fail",
            unit="rowsps",
            width=12,
        ),
        Panel(
            title="Robots and opt-outs",
            queries=[
                Query(rate(_FETCHES, ["reason"], where=_CONSENT), "{{reason}}"),
            ],
            shows="Attempts that ended for consent, a second, by what forbade them.",
            remedy="`robots_unreachable` alone is high: many hosts do not answer; then so are network "
            "failures.",
            runbook="fetches-fail",
            unit="reqps",
            width=12,
        ),
    ),
)

_HOSTS: Final = Row(
    "Hosts and politeness",
    (
        Panel(
            title="Domains and fetches under way",
            queries=[
                Query(summed(picked("pairmill_domains_served")), "domains with URLs left"),
                Query(summed(picked("pairmill_fetches_in_flight")), "fetches under way"),
            ],
            shows="Registrable domains that units at work have URLs of, and attempts that are under way now.",
            remedy="Few domains: the rest of the units hangs on a few slow hosts, whose rate is the limit. "
            "That is politeness, and ends with the unit's deadline.",
            runbook="no-progress",
            unit="none",
        ),
        Panel(
            title="Wait for a host's turn",
            queries=middle_and_slow("pairmill_host_wait_seconds"),
            shows="How long a free connection waited until its host could be asked again.",
            remedy="Seconds: many URLs of few hosts. Units hold more hosts if waves are larger; a shorter "
            "`download.host_delay_seconds` is less polite.",
            runbook="no-progress",
            unit="s",
        ),
        Panel(
            title="Time of a fetch",
            queries=middle_and_slow("pairmill_fetch_duration_seconds"),
            shows="From a host's turn to the end of the attempt, redirects and robots.txt included.",
            remedy="Both rise: our line or resolver is full. Only the upper one: slow hosts, which time out.",
            runbook="fetches-fail",
            unit="s",
        ),
        Panel(
            title="Time to examine an image",
            queries=middle_and_slow("pairmill_examine_duration_seconds"),
            shows="Decoding, checks, resizing and encoding, the wait for a free decoder included.",
            remedy="It rises while images per second do not: decoders are the limit; give the downloader "
            "more cores and `PAIRMILL_DECODE_PROCESSES`.",
            runbook="no-progress",
            unit="s",
        ),
        Panel(
            title="Handed on to retry rounds",
            queries=[Query(rate("pairmill_records_processed_total", window=UNITS, where=_HANDED_ON))],
            shows="Rows a second that failed for a reason that may heal, or waited too long for their "
            "host's turn, and go on in a later round.",
            remedy="Most rows: hosts or our network are in trouble; then see failures by class.",
            runbook="fetches-fail",
            unit="rowsps",
        ),
        Panel(
            title="Cores of downloaders",
            queries=[
                Query(
                    rate("pairmill_cpu_seconds_total", ["member"], window=UNITS, where=_DOWNLOADER),
                    "{{member}}",
                ),
            ],
            shows="CPU of each downloader with its decoders, in cores.",
            remedy="At what it is given, while images wait to be examined: the processor is the limit.",
            runbook="no-progress",
            unit="cores",
        ),
    ),
)

_UNITS: Final = Row(
    "Units",
    (
        unit_times(
            "downloader", "A unit of at most 10,000 URLs is done in", "a few slow hosts hold units up"
        ),
        units_by_result("downloader"),
        lag_of("downloader", "download-.*"),
    ),
)

DOWNLOADER: Final = Dashboard(
    name="downloader",
    title="Downloader",
    about="What do hosts answer, how politely are they asked, and what becomes of the images?",
    rows=(_NOW, _ENDINGS, _HOSTS, _UNITS),
)
