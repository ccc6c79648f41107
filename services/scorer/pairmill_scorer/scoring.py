"""Embeddings to scores, block by block."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from pairmill_scorer.embeddings import StoredEmbeddings
from pairmill_scorer.ports import ScoringHeads
from pairmill_scorer.similarity import Floats, similarities

HEAD_SCORES: Final = ("unsafe_score", "watermark_score", "aesthetic_score", "toxicity")
"""Columns that heads give. One that the bundle has no head for is null in every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores of n samples, float32, row-aligned; NaN where there is none."""

    similarity: Floats  # (n,), [-1, 1]
    by_head: Mapping[str, Floats | None]  # (n,) by each of `HEAD_SCORES`; None without a head


def score_embeddings(
    embeddings: StoredEmbeddings,
    heads: ScoringHeads,
    *,
    block_rows: int,
    after_block: Callable[[int, float], None] = lambda rows, seconds: None,
) -> Scores:
    """Returns the scores of all rows.

    `after_block` is called with the number of rows done so far and the seconds that the last block took.

    Similarity and heads are computed in float32 from the stored, float16-rounded rows (U11).
    """
    similarity = np.full(embeddings.rows, np.nan, dtype=np.float32)
    by_head: dict[str, Floats | None] = dict.fromkeys(HEAD_SCORES)
    done = 0
    for images, texts in embeddings.blocks(block_rows):
        started = time.perf_counter()
        rows = slice(done, done + len(images))
        similarity[rows] = similarities(images, texts)
        answers = heads.score(images.astype(np.float32), texts.astype(np.float32))
        for name in HEAD_SCORES:
            if name in answers:
                by_head[name] = _with_block(by_head[name], embeddings.rows, rows, answers[name])
        done += len(images)
        after_block(done, time.perf_counter() - started)
    return Scores(similarity=similarity, by_head=by_head)


def _with_block(column: Floats | None, rows: int, block: slice, values: Floats) -> Floats:
    wanted = (block.stop - block.start,)
    if values.shape != wanted:
        raise ValueError(f"a head gave {values.shape}, {wanted} is wanted")
    filled = np.full(rows, np.nan, dtype=np.float32) if column is None else column
    filled[block] = values
    return filled
