"""The towers of an open_clip model as modules from a bundle's inputs to unit rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class ImageGraph(nn.Module):  # type: ignore[misc]  # torch is untyped where it is not installed
    """From (n, size, size, 3) uint8 RGB to unit rows, normalisation of pixels included."""

    def __init__(self, visual: Any, mean: Any, std: Any) -> None:
        super().__init__()
        self.visual = visual
        deviation = torch.tensor(std, dtype=torch.float32)
        self.register_buffer("scale", (1 / (255 * deviation)).view(1, 3, 1, 1))
        shift = -torch.tensor(mean, dtype=torch.float32) / deviation
        self.register_buffer("shift", shift.view(1, 3, 1, 1))

    def forward(self, pixels: Any) -> Any:
        """Returns (n, dim)."""
        planes = pixels.permute(0, 3, 1, 2).float() * self.scale + self.shift
        return functional.normalize(self.visual(planes), dim=-1)


class CausalTextGraph(nn.Module):  # type: ignore[misc]  # as above
    """A text tower that looks only back and answers at the end token: what follows it changes nothing.

    So it takes texts of any length up to its context. `tower` is an open_clip CLIP, or its text part.
    """

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.token_embedding = tower.token_embedding
        self.positional_embedding = tower.positional_embedding
        self.transformer = tower.transformer
        self.ln_final = tower.ln_final
        self.text_projection = tower.text_projection
        self.register_buffer("mask", tower.attn_mask)
        self.end_token: int | None = _end_token(tower)

    @staticmethod
    def fits(tower: Any) -> bool:
        """Whether a tower is of this kind."""
        pools_at_end = _pool_type(tower) in ("argmax", "eos")
        has_own_token = getattr(tower, "cls_emb", None) is not None
        is_causal = getattr(tower, "attn_mask", None) is not None
        return pools_at_end and is_causal and not has_own_token and not getattr(tower, "use_pad_mask", False)

    def forward(self, tokens: Any) -> Any:
        """Returns (n, dim)."""
        length = tokens.shape[1]
        rows = self.token_embedding(tokens) + self.positional_embedding[:length]
        rows = self.ln_final(self.transformer(rows, attn_mask=self.mask[:length, :length]))
        is_end = tokens if self.end_token is None else (tokens == self.end_token).int()
        rows = rows[torch.arange(rows.shape[0]), is_end.argmax(dim=-1)]
        return functional.normalize(self._project(rows), dim=-1)

    def _project(self, rows: Any) -> Any:
        if self.text_projection is None:
            return rows
        if isinstance(self.text_projection, nn.Linear):
            return self.text_projection(rows)
        return rows @ self.text_projection


class WholeTextGraph(nn.Module):  # type: ignore[misc]  # as above
    """Any other text tower, as open_clip runs it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Any) -> Any:
        """Returns (n, dim)."""
        return self.model.encode_text(tokens, normalize=True)


def _pool_type(tower: Any) -> str:
    return str(getattr(tower, "text_pool_type", getattr(tower, "pool_type", "")))


def _end_token(tower: Any) -> int | None:
    """Returns the token at which the tower answers, None where it is the one with the largest number."""
    if _pool_type(tower) == "argmax":
        return None
    return int(getattr(tower, "text_eos_id", getattr(tower, "eos_id", 0)))
