"""The embed unit: a shard in, its image and text embeddings out (U11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pairmill.errors import ConfigurationError, CutOffError
from pairmill.stage.port import Tally, UnitContext, UnitResult
from pairmill.units import new_task
from pairmill_inference.files import EmbeddingFiles, ModelName, write_failures
from pairmill_inference.isolation import Alone, embed_alone
from pairmill_inference.model import PinnedModel
from pairmill_inference.pairs import EmbeddedBlock, RowFailure
from pairmill_inference.pipeline import Pace, decode_rows, embed_ahead, read_block, write_blocks
from pairmill_inference.ports import Decoder
from pairmill_inference.shard import ShardImages, blocks_of, downloaded_rows
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, ScoreInput, Stage, UnitInput, UnitTask

SCORE_SUFFIX: Final = "/s"
"""What the score unit's id adds to that of its embed unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedParts:
    """What embed units are worked with."""

    model: PinnedModel
    bundle_digest: str  # SHA-256 of the bundle's `bundle.json`, hex
    own_decoder: Decoder  # for images that the pipeline encoded
    foreign_decoder: Decoder  # for images stored as they were fetched
    child: Alone  # embeds one pair at a time in a process of its own
    check_model: Callable[[], None]  # raises unless the model gives the known answer to known input
    pace: Pace


class EmbedHandler:
    """Embeds every downloaded row of a shard. Thread-safe."""

    stage: Stage.ValueType = Stage.STAGE_EMBED

    def __init__(self, parts: EmbedParts) -> None:
        self._parts = parts

    def handle(self, context: UnitContext) -> UnitResult:
        """Returns the embeddings' objects and the score unit that follows.

        Raises ConfigurationError for a job pinned to another bundle, CutOffError when cut off: an embed
        unit has nothing to show before its end.
        """
        check_pin(context.spec, self._parts)
        source = context.task.input.embed
        rows = downloaded_rows(context.fetch(source.shard_index))
        if not rows.num_rows:
            return UnitResult(rows_in=0, tally={})
        with ExitStack() as stack:
            images = stack.enter_context(ShardImages(context.fetch(source.shard), source.shard.key))
            model = ModelName(name=self._parts.model.name, version=self._parts.model.version)
            files = stack.enter_context(EmbeddingFiles(context.scratch, self._parts.model.dimensions, model))
            blocks = stack.enter_context(closing(self._blocks(context, rows, images)))
            failures = write_blocks(blocks, files, _after_block(context, rows.num_rows))
        outputs = [*_store_embeddings(context, files), *_store_failures(context, failures)]
        return UnitResult(
            rows_in=rows.num_rows,
            tally=_tally(files.rows, failures),
            outputs=outputs,
            follow_ups=[score_task(context.task, outputs, rows.num_rows)],
        )

    def self_test(self) -> None:
        """Raises unless the model gives the known answer to known input (U14)."""
        self._parts.check_model()

    def close(self) -> None:
        """Ends the child processes and lets go of the model."""
        self._parts.model.embedder.close()
        self._parts.child.close()
        self._parts.foreign_decoder.close()
        self._parts.own_decoder.close()

    def _blocks(self, context: UnitContext, rows: pa.Table, images: ShardImages) -> Generator[EmbeddedBlock]:
        """Yields the shard's rows with their embeddings, block by block."""
        parts = self._parts
        jobs = blocks_of(rows, parts.pace.block_rows, parts.pace.block_bytes)
        if context.isolated:
            stored = (read_block(job, images) for job in jobs)
            return embed_alone(stored, parts.child, parts.model.dimensions)
        foreign = context.spec.image.skip_reencode
        decoder = parts.foreign_decoder if foreign else parts.own_decoder
        return embed_ahead(
            jobs,
            lambda job: decode_rows(job, images, decoder),
            parts.model,
            parts.pace,
            parts.check_model,
        )


def check_pin(spec: JobSpec, parts: EmbedParts) -> None:
    """Raises ConfigurationError unless the job is pinned to the bundle at hand (F4, U17)."""
    pin = spec.bundle
    if pin.digest != parts.bundle_digest:
        raise ConfigurationError(
            f"bundle: the job is pinned to {pin.name} {pin.revision} ({pin.digest[:12]}), "
            f"this process holds {parts.model.name} ({parts.bundle_digest[:12]}); "
            "start it with the job's bundle"
        )


def score_task(task: UnitTask, outputs: list[ObjectRef], rows: int) -> UnitTask:
    """Returns the score unit of an embed unit's shard: always one, also when no row was embedded."""
    by_role = {ref.role: ref for ref in outputs}
    score = ScoreInput(
        shard=task.input.embed.shard,
        shard_index=task.input.embed.shard_index,
        image_embeddings=by_role.get("image_embeddings"),
        text_embeddings=by_role.get("text_embeddings"),
        embedding_metadata=by_role.get("embedding_metadata"),
        embed_failures=by_role.get("embed_failures"),
    )
    return new_task(
        spec=task.spec,
        job_id=task.job_id,
        unit_id=task.unit_id + SCORE_SUFFIX,
        unit_input=UnitInput(score=score),
        rows=rows,
    )


def _after_block(context: UnitContext, rows: int) -> Callable[[int], None]:
    def after_block(done: int) -> None:
        context.report_progress(done, rows)
        if context.cut_off.is_set() and done < rows:
            raise CutOffError("embed unit cut off")

    return after_block


def _store_embeddings(context: UnitContext, files: EmbeddingFiles) -> Iterator[ObjectRef]:
    """Stores the three files, or none of them where no row was embedded."""
    if not files.rows:
        return
    for folder, prefix, path, role in (
        ("embeddings/img_emb", "img_emb_", files.image_path, "image_embeddings"),
        ("embeddings/text_emb", "text_emb_", files.text_path, "text_embeddings"),
        ("embeddings/metadata", "metadata_", files.metadata_path, "embedding_metadata"),
    ):
        key = context.key(folder, path.suffix, prefix)
        yield context.put_file(key, path, role=role, rows=files.rows)


def _store_failures(context: UnitContext, failures: list[RowFailure]) -> Iterator[ObjectRef]:
    if failures:
        path = context.scratch / "failures.parquet"
        write_failures(path, failures)
        key = context.key("steps/embed_failures", path.suffix)
        yield context.put_file(key, path, role="embed_failures", rows=len(failures))


def _tally(rows: int, failures: list[RowFailure]) -> Tally:
    failed = Counter((Outcome.OUTCOME_FAILED, failure.reason) for failure in failures)
    return {(Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED): rows, **failed}
