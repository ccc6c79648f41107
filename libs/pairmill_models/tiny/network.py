"""The towers and heads of the tiny CLIP, in torch."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from pairmill_models.tiny.examples import ATTRIBUTE_SIZES, IMAGE_SIZE
from pairmill_models.tiny.vocabulary import CONTEXT_LENGTH, PAD_ID

DIMENSIONS: Final = 128
MEAN: Final = (0.5, 0.5, 0.5)
DEVIATION: Final = (0.25, 0.25, 0.25)

_WIDTH: Final = 128
_HEADS: Final = 4
_LAYERS: Final = 2
_HIDDEN: Final = 256
_FAR_BELOW: Final = -1e4  # hides a position in a softmax, also in half precision
_HEAD_GAIN: Final = DIMENSIONS**0.5  # brings numbers of a unit vector to about one


def _convolution(width: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):  # type: ignore[misc]  # torch is untyped where it is not installed
    """A convolution around which the input is passed on."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = _convolution(width, width, 1)

    def forward(self, x: Any) -> Any:
        """Returns (n, width, h, w) for the same."""
        return x + self.inner(x)


class ImageNetwork(nn.Module):  # type: ignore[misc]  # as above
    """From (n, side, side, 3) uint8 RGB to (n, DIMENSIONS) unit vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _convolution(3, 32, 2),
            _convolution(32, 32, 1),
            _convolution(32, 64, 2),
            Residual(64),
            _convolution(64, 96, 2),
            Residual(96),
            _convolution(96, 128, 2),
            nn.Conv2d(128, 64, 1),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(64 * (IMAGE_SIZE // 16) ** 2, _HIDDEN),
            nn.ReLU(inplace=True),
        )
        self.projection = nn.Linear(_HIDDEN, DIMENSIONS)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1) * 255)

    def hidden(self, pixels: Any) -> Any:
        """Returns (n, _HIDDEN) features."""
        x = pixels.permute(0, 3, 1, 2).float()
        return self.features((x - self.mean) / self.deviation)

    def forward(self, pixels: Any) -> Any:
        """Returns (n, DIMENSIONS) unit vectors."""
        return functional.normalize(self.projection(self.hidden(pixels)).float(), dim=-1)


class Layer(nn.Module):  # type: ignore[misc]  # as above
    """A layer of a transformer that looks both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(_WIDTH)
        self.to_all = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.from_attention = nn.Linear(_WIDTH, _WIDTH)
        self.before_mixing = nn.LayerNorm(_WIDTH)
        self.mixing = nn.Sequential(nn.Linear(_WIDTH, 2 * _WIDTH), nn.GELU(), nn.Linear(2 * _WIDTH, _WIDTH))

    def forward(self, x: Any, hidden: Any) -> Any:
        """Returns (n, length, _WIDTH); `hidden` (n, 1, 1, length) is added before the softmax."""
        x = x + self._attention(self.before_attention(x), hidden)
        return x + self.mixing(self.before_mixing(x))

    def _attention(self, x: Any, hidden: Any) -> Any:
        count, length = x.shape[0], x.shape[1]
        parts = self.to_all(x).view(count, length, 3, _HEADS, _WIDTH // _HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        weights = torch.softmax(query @ key.transpose(-1, -2) * (_WIDTH // _HEADS) ** -0.5 + hidden, dim=-1)
        return self.from_attention((weights @ value).transpose(1, 2).reshape(count, length, _WIDTH))


class TextNetwork(nn.Module):  # type: ignore[misc]  # as above
    """From (n, length) tokens to (n, DIMENSIONS) unit vectors. Padding changes nothing."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, _WIDTH)
        self.places = nn.Parameter(torch.randn(CONTEXT_LENGTH, _WIDTH) * 0.02)
        self.layers = nn.ModuleList(Layer() for _ in range(_LAYERS))
        self.final = nn.LayerNorm(_WIDTH)
        self.projection = nn.Linear(_WIDTH, DIMENSIONS)
        nn.init.normal_(self.tokens.weight, std=0.05)

    def hidden(self, tokens: Any) -> Any:
        """Returns (n, _WIDTH): the mean over what is not padding."""
        is_text = (tokens != PAD_ID).float()
        x = self.tokens.weight[tokens] + self.places[: tokens.shape[1]]
        hidden = ((1 - is_text) * _FAR_BELOW)[:, None, None, :]
        for layer in self.layers:
            x = layer(x, hidden)
        share = is_text / is_text.sum(dim=1, keepdim=True)
        return (self.final(x).float() * share[..., None]).sum(dim=1)

    def forward(self, tokens: Any) -> Any:
        """Returns (n, DIMENSIONS) unit vectors."""
        return functional.normalize(self.projection(self.hidden(tokens)).float(), dim=-1)


class HeadNetwork(nn.Module):  # type: ignore[misc]  # as above
    """From unit vectors (n, DIMENSIONS) to one number each, a probability if so asked."""

    def __init__(self, *, is_probability: bool) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(DIMENSIONS, 64), nn.ReLU(), nn.Linear(64, 1))
        self.is_probability = is_probability

    def logit(self, embedding: Any) -> Any:
        """Returns (n,) numbers before they become probabilities."""
        return self.inner(embedding * _HEAD_GAIN).squeeze(-1)

    def forward(self, embedding: Any) -> Any:
        """Returns (n,) scores."""
        logit = self.logit(embedding)
        return torch.sigmoid(logit) if self.is_probability else logit


class TinyClip(nn.Module):  # type: ignore[misc]  # as above
    """Everything that is trained."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.image = ImageNetwork()
        self.text = TextNetwork(vocabulary)
        self.log_scale = nn.Parameter(torch.tensor(2.3))
        self.unsafe = HeadNetwork(is_probability=True)
        self.watermark = HeadNetwork(is_probability=True)
        self.aesthetic = HeadNetwork(is_probability=False)
        self.toxicity = HeadNetwork(is_probability=True)
        # Only for training: what a scene holds, read from each tower.
        self.seen = nn.Linear(_HIDDEN, sum(ATTRIBUTE_SIZES))
        self.read = nn.Linear(_WIDTH, sum(ATTRIBUTE_SIZES))
