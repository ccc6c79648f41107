"""Texts as batches of tokens for a text tower: of like length each, and the answers back in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pairmill_models.bundle import Bundle
from pairmill_models.embedder import Floats
from pairmill_models.tokenizer import TextTokenizer, Tokens

_LENGTH_STEP: Final = 8  # texts of one batch differ in length by less than this


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBatch:
    """Texts of like length, to be asked together."""

    places: Sequence[int]  # where each stood among the texts
    tokens: Tokens  # (n, length), cut to the longest of them where the tower allows it


class TextBatches:
    """Makes batches for a bundle's text tower. Thread-safe.

    Alt texts have about 12 tokens of 77: sorted by length and cut to the longest of each batch they cost a
    fraction, and the answer is the same.
    """

    def __init__(self, bundle: Bundle, *, most_texts: int, most_tokens: int) -> None:
        """Loads the tokenizer; `most_tokens` of a batch include its padding."""
        tower = bundle.text_tower
        self._tokenizer = TextTokenizer(
            bundle.path(tower.tokenizer), context_length=tower.context_length, pad_id=tower.pad_id
        )
        self._fixed_length = None if tower.cut_padding else tower.context_length
        self._most_texts = most_texts
        self._most_tokens = most_tokens

    def cut(self, texts: Sequence[str], *, most_texts: int | None = None) -> list[TokenBatch]:
        """Returns all texts in batches, the shortest first, of fewer texts each if so asked."""
        rows = self._tokenizer.encode(texts)
        groups = groups_of_like_length(
            [len(row) for row in rows],
            most_texts=min(most_texts or self._most_texts, self._most_texts),
            most_tokens=self._most_tokens,
        )
        return [
            TokenBatch(
                places=group,
                tokens=self._tokenizer.pad([rows[place] for place in group], self._fixed_length),
            )
            for group in groups
        ]


def in_order(batches: Sequence[TokenBatch], answers: Sequence[Floats], dimensions: int) -> Floats:
    """Returns (n, dim) float32: each answer at the place of its text. Width and type are the answers' own."""
    if not batches:
        return np.zeros((0, dimensions), dtype=np.float32)
    stacked = np.concatenate(answers)
    ordered = np.empty_like(stacked)
    ordered[[place for batch in batches for place in batch.places]] = stacked
    return ordered


def groups_of_like_length(
    lengths: Sequence[int], *, most_texts: int, most_tokens: int
) -> Iterator[list[int]]:
    """Yields the places of texts in groups for one batch each, shortest first.

    The lengths of a group lie within one step, so that little of what is computed is padding, and long
    texts come in smaller groups: else a process would need twice the memory from its first block of
    long texts on.
    """
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        is_full = len(group) == most_texts or (len(group) + 1) * lengths[place] > most_tokens
        if group and (is_full or _step(lengths[place]) > _step(lengths[group[0]])):
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _step(length: int) -> int:
    return (length - 1) // _LENGTH_STEP
