"""Blocks of pairs from the shard to the files: decoded ahead in threads while the model works."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeVar

from pairmill_inference.embedding import embed_block, is_suspect
from pairmill_inference.files import EmbeddingFiles
from pairmill_inference.model import PinnedModel
from pairmill_inference.pairs import (
    MAX_DETAIL_CHARACTERS,
    DecodedBlock,
    EmbeddedBlock,
    RowFailure,
    StoredPair,
)
from pairmill_inference.ports import Decoder
from pairmill_inference.prefetch import run_ahead
from pairmill_inference.shard import ShardImages, ShardRow
from pairmill_models.decoding import ImageError

Job = TypeVar("Job")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is at work at once; with the picture size it bounds the memory."""

    block_rows: int = 128  # pairs decoded, embedded and written together
    decode_threads: int = 1  # threads that decode while the model works
    blocks_ahead: int = 2  # decoded blocks that may wait for the model
    block_bytes: int = 64 * 2**20  # most bytes of a block's stored images


def read_block(rows: Iterable[ShardRow], images: ShardImages) -> tuple[list[StoredPair], list[RowFailure]]:
    """Returns the rows with their image's bytes, and failures of those that have none."""
    stored, failures = [], []
    for row in rows:
        try:
            stored.append(images.read(row))
        except ImageError as error:
            detail = str(error)[:MAX_DETAIL_CHARACTERS]
            failures.append(RowFailure(sample_id=row.sample_id, reason=error.reason, detail=detail))
    return stored, failures


def decode_rows(rows: Iterable[ShardRow], images: ShardImages, decoder: Decoder) -> DecodedBlock:
    """Returns rows of a shard ready for the model."""
    stored, failures = read_block(rows, images)
    block = decoder.decode(stored)
    return replace(block, failures=(*failures, *block.failures))


def embed_ahead(
    jobs: Iterable[Job],
    decode: Callable[[Job], DecodedBlock],
    model: PinnedModel,
    pace: Pace,
    check_model: Callable[[], None],
) -> Generator[EmbeddedBlock]:
    """Yields a block of embeddings per job, in order; decoding runs ahead of the model.

    When nothing at all comes of a block, `check_model` has to show on known-good input that this is
    the rows' fault and not the model's; what it raises is raised here.
    """
    decoded_blocks = run_ahead(jobs, decode, threads=pace.decode_threads, ahead=pace.blocks_ahead)
    with closing(decoded_blocks):
        for decoded in decoded_blocks:
            embedded = embed_block(decoded, model)
            if is_suspect(decoded, embedded):
                check_model()
            yield embedded


def write_blocks(
    blocks: Iterable[EmbeddedBlock], files: EmbeddingFiles, after_block: Callable[[int], None]
) -> list[RowFailure]:
    """Writes all blocks and returns the failures among them, sorted by id.

    `after_block` is called with the number of rows done so far; it may raise to end the work.
    """
    failures: list[RowFailure] = []
    for block in blocks:
        files.append(block)
        failures.extend(block.failures)
        after_block(files.rows + len(failures))
    return sorted(failures, key=lambda failure: failure.sample_id)
