"""From a trained tiny CLIP to its bundle."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import (
    Bundle,
    BundleCard,
    Head,
    ImageTower,
    ScoreName,
    TextTower,
    Thresholds,
    Tower,
)
from pairmill_models.export.torch_graph import write_graph
from pairmill_models.tiny.examples import IMAGE_SIZE, held_out_examples
from pairmill_models.tiny.network import DEVIATION, DIMENSIONS, MEAN, TinyClip
from pairmill_models.tiny.scenes import LANGUAGES, caption_of
from pairmill_models.tiny.vocabulary import CONTEXT_LENGTH, PAD_ID

NAME: Final = "pairmill-tiny"
REVISION: Final = "1"

THRESHOLDS: Final = Thresholds(
    min_similarity={"*": 0.54}, max_unsafe_score=0.5, max_watermark_score=0.5, max_toxicity=0.5
)
"""In the middle of wide gaps; see the README's figures."""

_KNOWN: Final = 6
_SCORES: Final[tuple[tuple[str, ScoreName, Tower], ...]] = (
    ("unsafe", "unsafe_score", "image"),
    ("watermark", "watermark_score", "image"),
    ("aesthetic", "aesthetic_score", "image"),
    ("toxicity", "toxicity", "text"),
)


def write_tiny_bundle(model: TinyClip, tokenizer: Tokenizer, folder: Path, *, seed: int) -> Bundle:
    """Writes the bundle into a folder, in place of what was there, and returns it."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "heads").mkdir(parents=True)
    pixels = torch.zeros((2, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=torch.uint8)
    tokens = torch.ones((2, 9), dtype=torch.int64)
    write_graph(
        model.image, pixels, folder / "image.onnx", input_name="pixels", output_name="embedding", axes=["n"]
    )
    write_graph(
        model.text,
        tokens,
        folder / "text.onnx",
        input_name="tokens",
        output_name="embedding",
        axes=["n", "length"],
    )
    for name, _, _ in _SCORES:
        path = folder / "heads" / f"{name}.onnx"
        example = torch.zeros((2, DIMENSIONS))
        write_graph(
            getattr(model, name), example, path, input_name="embedding", output_name="score", axes=["n"]
        )
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    examples = held_out_examples(seed, _KNOWN, marked=True)
    texts = [
        caption_of(example.scene, LANGUAGES[place % len(LANGUAGES)], place)
        for place, example in enumerate(examples)
    ]
    images = np.stack([example.pixels for example in examples])
    return assemble_bundle(folder, _card(seed), images=images, texts=texts)


def _card(seed: int) -> BundleCard:
    return BundleCard(
        name=NAME,
        revision=REVISION,
        licence="Apache-2.0",
        dimensions=DIMENSIONS,
        image=ImageTower(size=IMAGE_SIZE, mean=MEAN, std=DEVIATION),
        text=(TextTower(context_length=CONTEXT_LENGTH, pad_id=PAD_ID),),
        heads=tuple(
            Head(score=score, input=tower, file=f"heads/{name}.onnx") for name, score, tower in _SCORES
        ),
        thresholds=THRESHOLDS,
        source=f"trained by pairmill_models.tiny.train on drawn scenes, seed {seed}",
    )
