"""What is kept, why the rest is not, and how scores are distributed."""

from __future__ import annotations

from typing import Final

from deploy.grafana.boards.common import lag_of, middle_and_slow, unit_times, units_by_result
from deploy.grafana.panels import Dashboard, Panel, Query, Row, Step, stat
from deploy.grafana.promql import UNITS, increase, quantile, rate, share

_RECORDS: Final = "pairmill_records_processed_total"
_ROWS: Final = "pairmill_scored_rows_total"
_SCORED: Final = 'service="scorer"'
_KEPT: Final = 'service="scorer", outcome="kept"'
_HOUR: Final = "1h"


def _keep_rate(by: tuple[str, ...] = ()) -> str:
    kept = rate(_ROWS, by, window=_HOUR, where='outcome="kept"')
    return share(kept, rate(_ROWS, by, window=_HOUR))


def _distribution(title: str, metric: str, shows: str, remedy: str) -> Panel:
    """Returns the quantiles of a score over time."""
    return Panel(
        title=title,
        queries=[
            Query(quantile(0.1, metric, window=_HOUR), "10 %"),
            Query(quantile(0.5, metric, window=_HOUR), "half of them"),
            Query(quantile(0.9, metric, window=_HOUR), "90 %"),
            Query(quantile(0.99, metric, window=_HOUR), "99 %"),
        ],
        shows=f"{shows} The share of the rows, over an hour, that have at most this score.",
        remedy=remedy,
        runbook="keep-rate",
        unit="none",
        decimals=3,
        lowest=None,
    )


_NOW: Final = Row(
    "What is kept",
    (
        stat(
            title="Keep rate",
            queries=[Query(_keep_rate())],
            shows="Share of the scored rows that met the thresholds, over an hour.",
            remedy="Near 0 or near 1: thresholds and model do not belong together; see the distributions.",
            runbook="keep-rate",
            unit="percentunit",
            decimals=1,
            starts="red",
            steps=[Step(0.005, "green")],
            height=8,
        ),
        Panel(
            title="Keep rate by language",
            queries=[Query(_keep_rate(("bucket",)), "{{bucket}}")],
            shows="The same by language: English, any other, and undetermined, each with a threshold of its "
            "own.",
            remedy="`multi` far below `en`: a bundle without a tower for other languages; name one that has "
            "it, or lower `score.min_similarity.*`.",
            runbook="keep-rate",
            unit="percentunit",
            decimals=1,
            width=10,
        ),
        Panel(
            title="Pairs by outcome",
            queries=[Query(rate(_RECORDS, ["outcome"], window=UNITS, where=_SCORED), "{{outcome}}")],
            shows="Rows of scored units, a second, by what became of them.",
            remedy="`failed` in numbers: rows without embeddings; see Inference and Triton.",
            runbook="keep-rate",
            unit="rowsps",
            stacked=True,
            width=10,
        ),
        Panel(
            title="Filtered by reason",
            kind="bargauge",
            queries=[
                Query(
                    increase(_RECORDS, ["reason"], where='service="scorer", outcome=~"filtered|failed"'),
                    "{{reason}}",
                )
            ],
            shows="Why scored rows were not kept, in the time shown; the first threshold that a row misses "
            "counts.",
            remedy="One reason takes nearly all: compare its threshold with the distribution of its score. "
            "`pairmill refilter` tries others without fetching again.",
            runbook="keep-rate",
            width=12,
        ),
        Panel(
            title="Rows by language",
            queries=[Query(rate(_ROWS, ["bucket"], window=UNITS), "{{bucket}}")],
            shows="Scored rows a second by language.",
            remedy="`nolang` takes most: texts are too short to tell, or the detector is missing.",
            runbook="keep-rate",
            unit="rowsps",
            stacked=True,
            width=12,
        ),
    ),
)

_SCORES: Final = Row(
    "Scores",
    (
        _distribution(
            "Similarity",
            "pairmill_similarity_score",
            "Cosine of image and text.",
            "It sinks for all shares at once: another model, images turned or texts cut; run `pairmill "
            "bundle check`. Compare the threshold of the job with the upper shares.",
        ),
        Panel(
            title="Similarity over time",
            kind="heatmap",
            queries=[
                Query(rate("pairmill_similarity_score_bucket", ["le"], window=UNITS), "{{le}}"),
            ],
            shows="How many rows a second have which similarity: the whole distribution as it moves.",
            remedy="A second band appears: two bundles or two kinds of archives are at work.",
            runbook="keep-rate",
            unit="rowsps",
            lowest=None,
        ),
        _distribution(
            "Aesthetic score",
            "pairmill_aesthetic_score",
            "How good people would find the image, about 1 to 10.",
            "Outside 3 to 7 for most: the head is of another model than the bundle's.",
        ),
        _distribution(
            "Unsafe score",
            "pairmill_unsafe_score",
            "How likely the image is unsafe.",
            "Half of the rows above 0.5: the head does not fit the embeddings; stop before anything is "
            "published.",
        ),
        _distribution(
            "Watermark score",
            "pairmill_watermark_score",
            "How likely the image carries a watermark.",
            "It rises: sources changed to stock photos; raise or lower `score.max_watermark_score` by what "
            "you want.",
        ),
        _distribution(
            "Toxicity",
            "pairmill_toxicity_score",
            "How likely the text is toxic.",
            "It rises: other sources. The report of a job shows which texts were dropped.",
        ),
    ),
)

_UNITS: Final = Row(
    "Units",
    (
        Panel(
            title="Time to score a block",
            queries=middle_and_slow("pairmill_scoring_seconds", window=UNITS),
            shows="Similarity and all heads of a block of rows.",
            remedy="It rises: scorers share their cores; scoring is never what limits a job otherwise.",
            runbook="no-progress",
            unit="s",
            width=6,
        ),
        unit_times("scorer", "A shard's embeddings are scored in", "the store is slow"),
        units_by_result("scorer"),
        lag_of("scorer", "score-tasks"),
    ),
)

SCORER: Final = Dashboard(
    name="scorer",
    title="Scorer",
    about="How many pairs are kept, in which languages, and do the scores make sense?",
    rows=(_NOW, _SCORES, _UNITS),
)
