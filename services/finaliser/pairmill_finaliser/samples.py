"""Rows of the set as rows of `data/`, with their final verdicts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import mmh3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.idarrays import Flags, Words, hex_of
from pairmill.languages import LANGUAGE_BUCKETS, language_bucket
from pairmill.reasons import RULES_VERSION, outcome_name, parse_reason, reason_name
from pairmill.schemas import SAMPLES
from pairmill.stage.port import Tally
from pairmill.verdict import Enums, one_array
from pairmill_finaliser.judge import Lookup, clusters_of_rows, has_failed, judge
from pairmill_finaliser.rows import SAMPLE_NAMES
from pairmill_finaliser.scatter import ids_of
from pairmill_finaliser.steps import KEPT_SCHEMA
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import ScoreRules

_ROW_NAMES: Final = {sample: row for row, sample in SAMPLE_NAMES.items()}
_REASON_PREFIX: Final = "reason_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What the earlier phases decided on samples of an id range."""

    clustered: Lookup  # samples that are not their cluster's first
    clusters: Words  # their clusters
    lost: Lookup  # samples that a choice left out
    reasons: Enums  # and why


@dataclass(frozen=True, slots=True, kw_only=True)
class Finals:
    """Final verdicts, row-aligned."""

    outcomes: Enums  # (n,)
    reasons: pa.Array[Any]  # (n,), names; empty for a kept sample
    clusters: Words  # (n, 2)

    @property
    def kept(self) -> Flags:
        """Returns which samples are in the dataset."""
        return np.asarray(self.outcomes == Outcome.OUTCOME_KEPT, dtype=np.bool_)

    def tally(self) -> Tally:
        """Returns the number of samples by outcome and reason."""
        pairs = zip(self.outcomes.tolist(), self.reasons.to_pylist(), strict=True)
        counts: Counter[tuple[Outcome.ValueType, Reason.ValueType]] = Counter()
        for (outcome, reason), count in Counter(pairs).items():
            counts[cast("Outcome.ValueType", outcome), reason_number(reason or "")] += count
        return counts


def final_verdicts(rows: pa.Table, rules: ScoreRules, decisions: Decisions) -> Finals:
    """Returns the verdicts of rows by thresholds and choices."""
    samples = ids_of(rows)
    outcomes, reasons = judge(rows, rules)
    places = decisions.lost.find(samples)
    lost = (places >= 0) & (outcomes == Outcome.OUTCOME_KEPT)
    outcomes[lost] = Outcome.OUTCOME_FILTERED
    reasons[lost] = decisions.reasons[places[lost]]
    return Finals(
        outcomes=outcomes,
        reasons=_reason_names(rows, reasons),
        clusters=clusters_of_rows(rows, samples, decisions.clustered, decisions.clusters),
    )


def samples_of(rows: pa.Table, finals: Finals) -> pa.Table:
    """Returns rows as they stand in `data/`."""
    made = {
        "hash": _url_text_hashes(rows),
        "sample_id": hex_of(ids_of(rows)),
        "url_id": hex_of(ids_of(rows, "url_id")),
        "verdict": _named(finals.outcomes, outcome_name),
        "reason": finals.reasons,
        "cluster_id": hex_of(finals.clusters),
        "rule_version": _rule_versions(rows),
    }
    columns = [
        made[name] if name in made else one_array(rows, _ROW_NAMES.get(name, name)) for name in SAMPLES.names
    ]
    return pa.table(columns, schema=SAMPLES)


def folder_numbers(samples: pa.Table) -> Enums:
    """Returns the position in `LANGUAGE_BUCKETS` of each sample's language."""
    encoded = one_array(samples, "LANGUAGE").dictionary_encode()
    languages = [*encoded.dictionary.to_pylist(), None]
    numbers = np.array([LANGUAGE_BUCKETS.index(language_bucket(each)) for each in languages], dtype=np.int32)
    places = encoded.indices.fill_null(len(languages) - 1).to_numpy(zero_copy_only=False)
    return np.asarray(numbers[places], dtype=np.int32)


def kept_with_image(samples: pa.Table) -> pa.Table:
    """Returns the kept samples whose image is stored, with the columns that `train/` is made from."""
    kept = outcome_name(Outcome.OUTCOME_KEPT)
    verdicts, shards = samples.column("verdict").to_pylist(), samples.column("shard").to_pylist()
    chosen = [verdict == kept and bool(shard) for verdict, shard in zip(verdicts, shards, strict=True)]
    found = samples.filter(pa.array(chosen, pa.bool_()))
    columns = [found.column(SAMPLE_NAMES.get(name, name)) for name in KEPT_SCHEMA.names]
    return pa.table(columns, schema=KEPT_SCHEMA)


def reason_number(name: str) -> Reason.ValueType:
    """Returns a reason by its name; one of a newer version keeps its number (U17)."""
    digits = name.removeprefix(_REASON_PREFIX)
    if name.startswith(_REASON_PREFIX) and digits.isdigit():
        return cast("Reason.ValueType", int(digits))
    return parse_reason(name)


def _reason_names(rows: pa.Table, reasons: Enums) -> pa.Array[Any]:
    names = _named(reasons, reason_name)
    failed = pa.array(has_failed(rows))
    chosen: pa.Array[Any] = pc.if_else(failed, one_array(rows, "reason").fill_null(""), names)
    return chosen


def _rule_versions(rows: pa.Table) -> pa.Array[Any]:
    """The version that decided: the present one, but for rows that failed before."""
    failed = pa.array(has_failed(rows))
    decided = pa.scalar(RULES_VERSION)
    chosen: pa.Array[Any] = pc.if_else(failed, one_array(rows, "rule_version"), decided)
    return chosen


def _named(numbers: Enums, name_of: Callable[[Any], str]) -> pa.Array[Any]:
    values, places = np.unique(numbers, return_inverse=True)
    names = np.array([name_of(value) for value in values.tolist()], dtype=object)
    return pa.array(names[places], pa.string())


def _url_text_hashes(rows: pa.Table) -> pa.Array[Any]:
    """LAION's `hash`: the first half of MurmurHash3-128 of URL and text, signed."""
    pairs = zip(rows.column("url").to_pylist(), rows.column("text").to_pylist(), strict=True)
    return pa.array([mmh3.hash64(f"{url}{text}", signed=True)[0] for url, text in pairs], pa.int64())
