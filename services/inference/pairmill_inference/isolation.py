"""Embedding one pair at a time in a fresh child process, for units that took a whole process down (U13)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pairmill.children.worker import ChildWorker, Death
from pairmill_inference.adapters.decoders import LocalDecoder
from pairmill_inference.embedding import embed_block
from pairmill_inference.model import PinnedModel
from pairmill_inference.pairs import EmbeddedBlock, RowFailure, StoredPair, failure
from pairmill_inference.vectors import Halves
from pairmill_models.bundle import Resize
from pairmill_protos.common.v1.outcome_pb2 import Reason


@dataclass(frozen=True, slots=True)
class EmbedAlone:
    """Makes the function that decodes and embeds one pair. Picklable if `load_model` is."""

    load_model: Callable[[], PinnedModel]
    resize: Resize = "crop"

    def __call__(self) -> Callable[[StoredPair], EmbeddedBlock]:
        """Returns the function; its answer has one row, or one failure."""
        model = self.load_model()
        decoder = LocalDecoder(model.embedder.image_size, self.resize)
        return lambda stored: embed_block(decoder.decode([stored]), model)


Alone = ChildWorker[StoredPair, EmbeddedBlock]


def embed_alone(
    blocks: Iterable[tuple[Sequence[StoredPair], Sequence[RowFailure]]], child: Alone, dimensions: int
) -> Generator[EmbeddedBlock]:
    """Yields a block of embeddings per block of pairs; a pair that kills its child twice is `crashed`."""
    for stored, failures in blocks:
        answers = zip(stored, child.map(stored), strict=True)
        parts = [_explained(item, answer, dimensions) for item, answer in answers]
        yield EmbeddedBlock(
            pairs=tuple(pair for part in parts for pair in part.pairs),
            images=_stacked([part.images for part in parts], dimensions),
            texts=_stacked([part.texts for part in parts], dimensions),
            failures=(*failures, *(failed for part in parts for failed in part.failures)),
        )


def _explained(stored: StoredPair, answer: EmbeddedBlock | Death, dimensions: int) -> EmbeddedBlock:
    if not isinstance(answer, Death):
        return answer
    crashed = failure(stored.pair, Reason.REASON_CRASHED, answer.detail)
    nothing = _stacked([], dimensions)
    return EmbeddedBlock(pairs=(), images=nothing, texts=nothing, failures=(crashed,))


def _stacked(parts: list[Halves], dimensions: int) -> Halves:
    return np.concatenate([np.zeros((0, dimensions), dtype="<f2"), *parts])
