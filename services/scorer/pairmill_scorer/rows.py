"""A shard's downloaded rows, joined by id with their scores or with why they have none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pairmill.errors import InvalidRecordError
from pairmill.idarrays import array_of, words_of_hex
from pairmill.ids import ID_BYTES
from pairmill.reasons import outcome_name, reason_name
from pairmill.schemas import EMBED_FAILURES, SCORED, versioned
from pairmill.verdict import ScoreColumns, decide, one_array
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import ScoreRules
from pairmill_scorer.scoring import Scores
from pairmill_scorer.similarity import Floats

_AS_IN_INDEX: Final = (
    *("url", "width", "height", "original_width", "original_height", "content_sha256", "md5", "phash"),
    *("domain", "language", "language_confidence", "licence", "consent", "page_url", "crawl", "wat_file"),
    *("warc_offset", "tar_offset", "tar_size"),
)
_FROM_INDEX: Final = ("sample_id", "url_id", "caption", *_AS_IN_INDEX)

NO_FAILURES: Final = EMBED_FAILURES.empty_table()


def downloaded_rows(index: Path) -> pa.Table:
    """Returns what a score unit needs of the rows with the outcome `passed`, sorted by id."""
    table = pq.read_table(index, columns=["outcome", *_FROM_INDEX])
    passed = table.filter(pc.equal(table["outcome"], pa.scalar("passed"))).select(_FROM_INDEX)
    return passed.sort_by("sample_id")


def scored_rows(
    index: pa.Table,
    metadata: pa.Table,
    scores: Scores,
    failures: pa.Table,
    *,
    rules: ScoreRules,
    rule_version: str,
) -> pa.Table:
    """Returns the rows of `downloaded_rows` with the columns of `SCORED`, in the same order.

    `scores` is row-aligned with `metadata`. Rows are matched by id, whatever their order (F8). A row
    without embeddings is `failed` with its reason; the verdict on the others is decided from the very
    values that are written (U11). `shard` is null. Raises InvalidRecordError unless every row has
    either embeddings or a failure.
    """
    ids = one_array(index, "sample_id")
    embedded = _places(ids, one_array(metadata, "sample_id"))
    failed = _places(ids, one_array(failures, "sample_id"))
    _check_each_row_once(embedded, failed, metadata.num_rows, failures.num_rows)
    columns: dict[str, Any] = {name: one_array(index, name) for name in _AS_IN_INDEX}
    columns |= {
        "sample_id": array_of(words_of_hex(ids, ID_BYTES)),
        "url_id": array_of(words_of_hex(one_array(index, "url_id"), ID_BYTES)),
        "text": one_array(index, "caption"),
        "rule_version": pa.repeat(pa.scalar(rule_version), len(ids)),
        "similarity": _in_order(scores.similarity, embedded),
        "model": one_array(metadata, "model").take(embedded),
        "model_version": one_array(metadata, "model_version").take(embedded),
        **{name: _in_order(values, embedded) for name, values in scores.by_head.items()},
    }
    nothing = {name: pa.nulls(len(ids), SCORED.field(name).type) for name in ("outcome", "reason", "shard")}
    table = pa.table({**columns, **nothing}).select(SCORED.names)
    return _with_verdicts(table, one_array(failures, "reason").take(failed), rules)


def count_outcomes(table: pa.Table) -> Counter[tuple[str, str]]:
    """Returns the number of rows by outcome and reason."""
    groups = table.group_by(["outcome", "reason"]).aggregate([([], "count_all")])
    return Counter({(row["outcome"], row["reason"]): row["count_all"] for row in groups.to_pylist()})


def _with_verdicts(table: pa.Table, known_reason: pa.Array[Any], rules: ScoreRules) -> pa.Table:
    """Returns the rows with outcome and reason; `known_reason` says why a row has no embeddings."""
    outcomes, reasons = decide(ScoreColumns.from_table(table), rules)
    outcome_names = _names(outcomes, {number: outcome_name(number) for number in Outcome.values()})
    reason_names = _names(reasons, {number: reason_name(number) for number in Reason.values()})
    columns: dict[str, Any] = {name: table[name] for name in table.column_names}
    # A row without embeddings has no similarity, so that the verdict is `failed` either way.
    reason_column = pc.if_else(known_reason.is_valid(), known_reason, reason_names)
    columns |= {"outcome": outcome_names, "reason": reason_column}
    return pa.table(columns, schema=versioned(SCORED))


def _places(ids: pa.Array[Any], found: pa.Array[Any]) -> pa.Array[Any]:
    """Where each id stands in `found`, null where it does not; raises if one stands there twice."""
    if len(pc.unique(found)) != len(found):
        raise InvalidRecordError("a sample stands twice in one file")
    return pc.index_in(ids, value_set=found)


def _check_each_row_once(
    embedded: pa.Array[Any], failed: pa.Array[Any], embedded_rows: int, failed_rows: int
) -> None:
    is_embedded = embedded.is_valid().to_numpy(zero_copy_only=False)
    is_failed = failed.is_valid().to_numpy(zero_copy_only=False)
    missing = int(np.count_nonzero(is_embedded == is_failed))
    if missing or embedded_rows + failed_rows != len(embedded):
        raise InvalidRecordError(
            f"{missing} downloaded rows have not one of embeddings and a failure; "
            f"{embedded_rows} embeddings and {failed_rows} failures for {len(embedded)} rows"
        )


def float_array(values: Floats | None, rows: int) -> pa.Array[Any]:
    """Returns scores as they are written: null where one is not finite, or all where there are none."""
    if values is None:
        return pa.nulls(rows, pa.float32())
    return pa.array(values, pa.float32(), mask=~np.isfinite(values))


def _in_order(values: Floats | None, places: pa.Array[Any]) -> pa.Array[Any]:
    """The scores at these places; null where there is no place."""
    if values is None:
        return pa.nulls(len(places), pa.float32())
    return float_array(values, len(values)).take(places)


def _names(numbers: np.ndarray[Any, np.dtype[np.int32]], names: dict[int, str]) -> pa.Array[Any]:
    known, codes = np.unique(numbers, return_inverse=True)
    words = [names[int(number)] for number in known]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words, pa.string())).cast(
        pa.string()
    )
