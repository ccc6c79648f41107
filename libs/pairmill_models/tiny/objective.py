"""What the tiny CLIP is trained for: to match, to keep a distance, to name, and to judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.nn import functional

from pairmill_models.tiny.examples import ATTRIBUTE_SIZES
from pairmill_models.tiny.network import TinyClip
from pairmill_models.tiny.vocabulary import PAD_ID

_MATCHED: Final = 0.85  # cosine that a pair should reach
_STRANGE: Final = 0.1  # cosine that strangers should stay under
_PAIR_LIMIT: Final = 0.7  # below it a pair counts as lost
_STRANGER_LIMIT: Final = 0.4  # above it strangers count as confused
_STEEPNESS: Final = 24.0
_MAX_LOG_SCALE: Final = 3.4
_DISTANCE_WEIGHT: Final = 4.0
_EDGE_WEIGHT: Final = 0.15
_NAMING_WEIGHT: Final = 0.25
_JUDGING_WEIGHT: Final = 0.6
_BEAUTY_WEIGHT: Final = 0.2


@dataclass(frozen=True, slots=True)
class Batch:
    """n examples; rows 2i and 2i+1 are siblings, which differ in one respect."""

    pixels: Any  # (n, side, side, 3) uint8
    tokens: Any  # (n, length) int64
    attributes: Any  # (n, attributes) int64
    unsafe: Any  # (n,) float32, 0 or 1
    watermark: Any
    toxic: Any
    beauty: Any  # (n,) float32


def loss_of(model: TinyClip, batch: Batch) -> tuple[Any, dict[str, float]]:
    """Returns the loss, and its parts for the log."""
    seen, read = model.image.hidden(batch.pixels), _read(model, batch.tokens)
    images = functional.normalize(model.image.projection(seen).float(), dim=-1)
    texts = functional.normalize(model.text.projection(read).float(), dim=-1)
    cosines = images @ texts.T
    parts = {
        "match": _match(cosines, model.log_scale),
        "distance": _DISTANCE_WEIGHT * _distance(cosines),
        "edge": _EDGE_WEIGHT * _edge(cosines),
        "see": _NAMING_WEIGHT * _naming(model.seen(seen).float(), batch.attributes),
        "read": _NAMING_WEIGHT * _naming(model.read(read).float(), batch.attributes),
        "judge": _JUDGING_WEIGHT * _judging(model, images, texts, batch),
        "beauty": _BEAUTY_WEIGHT
        * functional.mse_loss(model.aesthetic.logit(_stored(images)).float(), batch.beauty),
    }
    return sum(parts.values()), {name: float(value.detach()) for name, value in parts.items()}


def _read(model: TinyClip, tokens: Any) -> Any:
    """Returns the features of texts. Short and long ones go separately, as padding costs time."""
    order = (tokens != PAD_ID).sum(dim=1).argsort(stable=True)
    parts = []
    for rows in order.chunk(2):
        longest = int((tokens[rows] != PAD_ID).sum(dim=1).max())
        parts.append(model.text.hidden(tokens[rows, :longest]))
    return torch.cat(parts)[order.argsort()]


def _match(cosines: Any, log_scale: Any) -> Any:
    logits = cosines * log_scale.clamp(max=_MAX_LOG_SCALE).exp()
    own = torch.arange(len(cosines))
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def _distance(cosines: Any) -> Any:
    """Pulls the bulk of pairs and strangers to where they belong."""
    close = functional.relu(_MATCHED - cosines.diagonal()).square().mean()
    far = functional.relu(cosines - _STRANGE).square()[_are_strangers(cosines)].mean()
    return close + 4 * far


def _edge(cosines: Any) -> Any:
    """Counts the few pairs and strangers at the wrong end, which the softmax and the mean overlook."""
    lost = functional.softplus(_STEEPNESS * (_PAIR_LIMIT - cosines.diagonal())).mean()
    confused = functional.softplus(_STEEPNESS * (cosines - _STRANGER_LIMIT)) * _are_strangers(cosines)
    return lost + confused.sum(dim=1).mean()


def _are_strangers(cosines: Any) -> Any:
    family = torch.arange(len(cosines)) // 2
    return family[:, None] != family[None, :]


def _naming(logits: Any, attributes: Any) -> Any:
    parts = torch.split(logits, ATTRIBUTE_SIZES, dim=1)
    return sum(functional.cross_entropy(part, attributes[:, place]) for place, part in enumerate(parts))


def _judging(model: TinyClip, images: Any, texts: Any, batch: Batch) -> Any:
    images, texts = _stored(images), _stored(texts)
    cross_entropy = functional.binary_cross_entropy_with_logits
    return (
        cross_entropy(model.unsafe.logit(images).float(), batch.unsafe)
        + cross_entropy(model.watermark.logit(images).float(), batch.watermark)
        + cross_entropy(model.toxicity.logit(texts).float(), batch.toxic)
    )


def _stored(embeddings: Any) -> Any:
    """Blurs embeddings as much as storing them in half precision does, many times over."""
    return embeddings + 2e-3 * torch.randn_like(embeddings)
