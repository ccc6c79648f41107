"""The score unit: a shard's embeddings in, scores and verdicts out (U11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.roles import KEPT_SHARD
from pairmill.errors import ConfigurationError, CutOffError, InvalidRecordError
from pairmill.ledger.phases import SCORES_ROLE
from pairmill.reasons import parse_outcome, parse_reason
from pairmill.stage.port import Tally, UnitContext, UnitResult
from pairmill_protos.job.v1.job_pb2 import ImagePolicy, JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, ScoreInput, Stage
from pairmill_scorer.embeddings import StoredEmbeddings, no_embeddings, open_embeddings
from pairmill_scorer.images import in_kept_tar, in_shard, kept_keys, nowhere
from pairmill_scorer.kept_tar import cut_tar
from pairmill_scorer.ports import NullObserver, ScoreObserver, ScoringHeads
from pairmill_scorer.rows import NO_FAILURES, count_outcomes, downloaded_rows, scored_rows
from pairmill_scorer.scoring import score_embeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreParts:
    """What score units are worked with."""

    heads: ScoringHeads
    bundle_digest: str  # SHA-256 of the bundle's `bundle.json`, hex
    model_version: str  # as it stands in every embedded row
    dimensions: int
    check_heads: Callable[[], None]  # raises unless the heads give the known answer to known input
    block_rows: int = 4096  # rows scored at once
    observer: ScoreObserver = field(default_factory=NullObserver)


class ScoreHandler:
    """Scores every downloaded row of a shard. Thread-safe."""

    stage: Stage.ValueType = Stage.STAGE_SCORE

    def __init__(self, parts: ScoreParts) -> None:
        self._parts = parts

    def handle(self, context: UnitContext) -> UnitResult:
        """Returns the scored rows' objects; nothing follows.

        Raises ConfigurationError for a job pinned to another bundle, CutOffError when cut off: a score
        unit has nothing to show before its end.
        """
        check_pin(context.spec, self._parts)
        source = context.task.input.score
        index = downloaded_rows(context.fetch(source.shard_index))
        embeddings = self._embeddings(context, source)
        scores = score_embeddings(
            embeddings,
            self._parts.heads,
            block_rows=self._parts.block_rows,
            after_block=self._after_block(context, index.num_rows),
        )
        table = scored_rows(
            index,
            embeddings.metadata,
            scores,
            _failures(context, source),
            rules=context.spec.score,
            rule_version=context.spec.rules_version,
        )
        table, outputs = _place_images(context, table)
        outputs.append(_store_scores(context, table))
        self._parts.observer.judged(table)
        return UnitResult(rows_in=table.num_rows, tally=_tally(table), outputs=outputs)

    def self_test(self) -> None:
        """Raises unless the heads give the known answer to known input (U14)."""
        self._parts.check_heads()

    def close(self) -> None:
        """Does nothing: the scorer holds neither child processes nor connections."""

    def _after_block(self, context: UnitContext, rows: int) -> Callable[[int, float], None]:
        def after_block(done: int, seconds: float) -> None:
            self._parts.observer.scored(seconds)
            context.report_progress(done, rows)
            _stop_if_cut_off(context)

        return after_block

    def _embeddings(self, context: UnitContext, source: ScoreInput) -> StoredEmbeddings:
        """Fetches the embeddings; raises InvalidRecordError if another model made any of them (F6)."""
        if not source.HasField("embedding_metadata"):
            return no_embeddings(self._parts.dimensions)
        found = open_embeddings(
            context.fetch(source.image_embeddings),
            context.fetch(source.text_embeddings),
            context.fetch(source.embedding_metadata),
            self._parts.dimensions,
        )
        versions = set(found.metadata["model_version"].unique().to_pylist())
        if versions - {self._parts.model_version}:
            raise InvalidRecordError(
                f"embeddings of {sorted(map(str, versions))} in a job of {self._parts.model_version}"
            )
        return found


def check_pin(spec: JobSpec, parts: ScoreParts) -> None:
    """Raises ConfigurationError unless the job is pinned to the bundle at hand (U17)."""
    pin = spec.bundle
    if pin.digest != parts.bundle_digest:
        raise ConfigurationError(
            f"bundle: the job is pinned to {pin.name} {pin.revision} ({pin.digest[:12]}), "
            f"this process holds {parts.bundle_digest[:12]}; start it with the job's bundle"
        )


def _failures(context: UnitContext, source: ScoreInput) -> pa.Table:
    if not source.HasField("embed_failures"):
        return NO_FAILURES
    return pq.read_table(context.fetch(source.embed_failures))


def _stop_if_cut_off(context: UnitContext) -> None:
    if context.cut_off.is_set():
        raise CutOffError("score unit cut off")


def _place_images(context: UnitContext, table: pa.Table) -> tuple[pa.Table, list[ObjectRef]]:
    """Returns the rows with where their images stand, and the tar cut for those that pass, if any."""
    shard = context.task.input.score.shard
    match context.spec.image.policy:
        case ImagePolicy.IMAGE_POLICY_NONE:
            return nowhere(table), []
        case ImagePolicy.IMAGE_POLICY_KEPT:
            keys = kept_keys(table)
            if not keys:
                return nowhere(table), []
            path = context.scratch / "kept.tar"
            moved = cut_tar(context.fetch(shard), path, keys, lambda: _stop_if_cut_off(context))
            tar = context.put_file(context.key("shards", ".tar"), path, role=KEPT_SHARD, rows=len(keys))
            return in_kept_tar(table, tar.key, moved), [tar]
        case _:
            return in_shard(table, shard.key), []


def _store_scores(context: UnitContext, table: pa.Table) -> ObjectRef:
    path = context.scratch / "scores.parquet"
    pq.write_table(table, path, compression="zstd")
    return context.put_file(
        context.key("steps/scores", path.suffix), path, role=SCORES_ROLE, rows=table.num_rows
    )


def _tally(table: pa.Table) -> Tally:
    return {
        (parse_outcome(outcome), parse_reason(reason)): rows
        for (outcome, reason), rows in count_outcomes(table).items()
    }
