"""Known inputs of a bundle and the answers that its model gave to them when it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from pairmill.errors import ConfigurationError
from pairmill_models.embedder import Embedder, Floats, Pixels
from pairmill_models.heads import Heads
from pairmill_models.npz import read_npz

KNOWN_NAME: Final = "known.npz"

KNOWN_TEXTS: Final = (
    "a red circle on a blue background",
    "two yellow squares",
    "ein grüner Stern",
    "un carré bleu et un cercle rouge",
    "赤い円",
    "a longer description of a picture with many things in it, so that texts of several lengths are asked",
)
"""What a bundle is asked if its maker knows nothing better."""

_SCORE_PREFIX: Final = "score_"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswers:
    """k pictures and m texts with what the model made of them; the same number of both."""

    images: Pixels  # (k, size, size, 3)
    texts: Sequence[str]  # k
    image_embeddings: Floats  # (k, dim)
    text_embeddings: Floats  # (k, dim)
    scores: Mapping[str, Floats] = field(default_factory=dict)  # (k,) by score, of the rounded embeddings

    def save(self, path: Path) -> None:
        """Writes a `.npz` file; equal answers give equal bytes."""
        arrays: dict[str, Any] = {
            "images": self.images,
            "texts": np.array([text.encode() for text in self.texts], dtype=np.bytes_),
            "image_embeddings": self.image_embeddings,
            "text_embeddings": self.text_embeddings,
        }
        arrays |= {_SCORE_PREFIX + name: values for name, values in self.scores.items()}
        np.savez_compressed(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> KnownAnswers:
        """Returns what `save` wrote; raises ConfigurationError if the file holds something else."""
        try:
            arrays = read_npz(path)
            scores = {name: values for name, values in arrays.items() if name.startswith(_SCORE_PREFIX)}
            return cls(
                images=arrays["images"],
                texts=[text.decode() for text in arrays["texts"].tolist()],
                image_embeddings=arrays["image_embeddings"],
                text_embeddings=arrays["text_embeddings"],
                scores={name.removeprefix(_SCORE_PREFIX): values for name, values in scores.items()},
            )
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(
                f"bundle: {path}: no known answers can be read: {error}; export the bundle again"
            ) from error


def ask(embedder: Embedder, heads: Heads, images: Pixels, texts: Sequence[str]) -> KnownAnswers:
    """Returns what a model answers to these pictures and texts."""
    image_rows, text_rows = embedder.embed_images(images), embedder.embed_texts(texts)
    return KnownAnswers(
        images=images,
        texts=texts,
        image_embeddings=image_rows,
        text_embeddings=text_rows,
        scores=dict(heads.score(as_stored(image_rows), as_stored(text_rows))),
    )


def as_stored(rows: Floats) -> Floats:
    """Returns embeddings with the values that they have after they were stored as float16."""
    return rows.astype(np.float16).astype(np.float32)


def known_pictures(size: int, count: int = len(KNOWN_TEXTS)) -> Pixels:
    """Returns (count, size, size, 3) different pictures: a gradient with a disc and a bar."""
    y, x = np.mgrid[0:size, 0:size] / size
    pictures = np.empty((count, size, size, 3), dtype=np.uint8)
    for number in range(count):
        turn = number / count
        picture = np.stack([x, y, (x + y) / 2], axis=-1) * (80 + 100 * turn) + 40 * number % 70
        disc = (x - 0.3 - turn / 2) ** 2 + (y - 0.5) ** 2 < 0.04 * (1 + turn)
        picture[disc] = ((37 * number) % 256, (91 * number + 80) % 256, (151 * number + 160) % 256)
        picture[np.abs(y - turn) < 0.06] = ((200 * number) % 256, 30, 220 - 30 * number)
        pictures[number] = np.clip(picture, 0, 255)
    return pictures
