"""The rows of an embed unit: pairs of image and text, and why some of them end here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill_inference.vectors import Halves
from pairmill_protos.common.v1.outcome_pb2 import Reason

Pixels: TypeAlias = npt.NDArray[np.uint8]

MAX_DETAIL_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One sample to embed. Its id travels with it, so that no order is ever relied upon (F8)."""

    sample_id: str  # 32 hex digits; of a foreign shard whatever names the sample there
    key: str  # of the WebDataset sample; the same as `sample_id` in shards of our own
    url: str
    caption: str
    image_path: str  # shard and member, for people and foreign readers


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFailure:
    """Why a downloaded row has no embeddings."""

    sample_id: str
    reason: Reason.ValueType
    detail: str  # what exactly, for people


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPair:
    """A pair with the bytes of its image as they are stored."""

    pair: Pair
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedBlock:
    """Pairs ready for the model, row-aligned with their images."""

    pairs: tuple[Pair, ...]
    images: Pixels  # (n, size, size, 3) RGB
    failures: tuple[RowFailure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedBlock:
    """Pairs with both embeddings, row-aligned with them."""

    pairs: tuple[Pair, ...]
    images: Halves  # (n, dim), rows of unit length
    texts: Halves  # (n, dim), rows of unit length
    failures: tuple[RowFailure, ...]


def failure(pair: Pair, reason: Reason.ValueType, detail: str) -> RowFailure:
    """Returns the failure of a pair with a detail of bounded length."""
    return RowFailure(sample_id=pair.sample_id, reason=reason, detail=detail[:MAX_DETAIL_CHARACTERS])
