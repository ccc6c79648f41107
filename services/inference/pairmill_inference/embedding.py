"""One block of pairs through both towers: a pair has both embeddings or none."""

from __future__ import annotations

from pairmill_inference.model import Answers, PinnedModel
from pairmill_inference.pairs import DecodedBlock, EmbeddedBlock, Pair, RowFailure, failure
from pairmill_inference.vectors import Flags, storable
from pairmill_protos.common.v1.outcome_pb2 import Reason


def embed_block(block: DecodedBlock, model: PinnedModel) -> EmbeddedBlock:
    """Returns the pairs with their stored embeddings; rows that failed are in `failures` alone."""
    images = model.embed_images(block.images)
    texts = model.embed_texts([pair.caption for pair in block.pairs])
    image_rows, image_usable = storable(images.vectors)
    text_rows, text_usable = storable(texts.vectors)
    good = image_usable & text_usable
    failures = [
        _failure(pair, row, images, texts, image_usable)
        for row, pair in enumerate(block.pairs)
        if not good[row]
    ]
    return EmbeddedBlock(
        pairs=tuple(pair for row, pair in enumerate(block.pairs) if good[row]),
        images=image_rows[good],
        texts=text_rows[good],
        failures=(*block.failures, *failures),
    )


def is_suspect(decoded: DecodedBlock, embedded: EmbeddedBlock) -> bool:
    """Whether the model had something to embed and nothing came of it: its fault, or that of all rows."""
    return bool(decoded.pairs) and not embedded.pairs


def _failure(pair: Pair, row: int, images: Answers, texts: Answers, image_usable: Flags) -> RowFailure:
    for tower, answers in (("image", images), ("text", texts)):
        if row in answers.errors:
            return failure(pair, Reason.REASON_BAD_MODEL_OUTPUT, f"{tower}: {answers.errors[row]}")
    tower = "text" if image_usable[row] else "image"
    return failure(pair, Reason.REASON_BAD_EMBEDDING, f"the {tower} embedding has no direction")  # E15
