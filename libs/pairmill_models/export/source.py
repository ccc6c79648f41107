"""Loading an open_clip model with its tokenizer and what it wants to be given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import open_clip
import torch

from pairmill.errors import ConfigurationError
from pairmill_models.bundle import ImageTower, Resize

_RESIZE: Final[dict[str, Resize]] = {"shortest": "crop", "squash": "squash"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A model in torch, ready to be exported."""

    model: Any
    tokenizer: Any  # open_clip's
    image: ImageTower
    context_length: int
    description: str  # what it is, for people
    revision: str  # of its weights


def load_source(name: str, pretrained: str | None, *, random_seed: int | None = None) -> Source:
    """Returns an open_clip model by its name, or that of a JSON file with a configuration.

    `pretrained` is a tag that open_clip knows, or a file with weights; a `hf-hub:` or `local-dir:` name
    needs none. With a seed the weights are random. Raises ConfigurationError if open_clip does not know
    the model, has no such weights, or they need another way to prepare images than a bundle can say.
    """
    if name.endswith(".json"):
        name = _register(Path(name))
    if random_seed is not None:
        torch.manual_seed(random_seed)
    has_weights = random_seed is None
    try:
        model = open_clip.create_model(
            name,
            pretrained=pretrained if has_weights else None,
            load_weights=has_weights,
            require_pretrained=has_weights,
            pretrained_text=False,
        )
        tokenizer = open_clip.get_tokenizer(name)
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        raise ConfigurationError(f"model: {name}, pretrained {pretrained}: {error}") from error
    return Source(
        model=model.eval(),
        tokenizer=tokenizer,
        image=_image_tower(model.visual.preprocess_cfg),
        context_length=int(tokenizer.context_length),
        description=f"open_clip {name}, {_weights(pretrained, random_seed)}",
        revision=_revision(pretrained, random_seed),
    )


def _register(path: Path) -> str:
    """Makes open_clip know a configuration and returns its name there."""
    if not path.is_file():
        raise ConfigurationError(f"model: {path}: there is no such file")
    open_clip.add_model_config(path)
    if open_clip.get_model_config(path.stem) is None:
        raise ConfigurationError(f"model: {path}: open_clip takes it for no configuration of a model")
    return path.stem


def _image_tower(wanted: dict[str, Any]) -> ImageTower:
    size = wanted["size"]
    sides = {size} if isinstance(size, int) else set(size)
    if len(sides) != 1:
        raise ConfigurationError(f"model: it takes pictures of {size}; only squares can be exported")
    if wanted["interpolation"] != "bicubic" or wanted["resize_mode"] not in _RESIZE:
        raise ConfigurationError(
            f"model: its pictures are resized by {wanted['interpolation']}, {wanted['resize_mode']}; "
            "only bicubic with shortest or squash can be exported"
        )
    return ImageTower(
        size=sides.pop(),
        mean=_by_channel(wanted["mean"]),
        std=_by_channel(wanted["std"]),
        resize=_RESIZE[wanted["resize_mode"]],
    )


def _by_channel(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


def _weights(pretrained: str | None, random_seed: int | None) -> str:
    if random_seed is not None:
        return f"random weights of seed {random_seed}"
    return f"weights {Path(pretrained).name if pretrained else 'of the model'}"


def _revision(pretrained: str | None, random_seed: int | None) -> str:
    if random_seed is not None:
        return f"random-{random_seed}"
    if pretrained is None:
        return "1"
    path = Path(pretrained)
    if not path.is_file():
        return pretrained
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
