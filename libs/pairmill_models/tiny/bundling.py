"""From a trained tiny CLIP to its bundle."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer

from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Bundle, BundleCard, Head, ImageTower, TextTower, Thresholds
from pairmill_models.tiny.examples import IMAGE_SIZE, held_out_examples
from pairmill_models.tiny.network import DEVIATION, DIMENSIONS, MEAN, TinyClip
from pairmill_models.tiny.scenes import LANGUAGES, caption_of
from pairmill_models.tiny.vocabulary import CONTEXT_LENGTH, PAD_ID

NAME: Final = "pairmill-tiny"
REVISION: Final = "1"

THRESHOLDS: Final = Thresholds(
    min_similarity={"*": 0.62}, max_unsafe_score=0.5, max_watermark_score=0.5, max_toxicity=0.5
)
"""In the middle of wide gaps; see the README's figures."""

_OPSET: Final = 18
_KNOWN: Final = 6
_SCORES: Final = (
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
    _export(model.image, pixels, folder / "image.onnx", "pixels", "embedding", ("n",))
    _export(model.text, tokens, folder / "text.onnx", "tokens", "embedding", ("n", "length"))
    for name, _, _ in _SCORES:
        path = folder / "heads" / f"{name}.onnx"
        _export(getattr(model, name), torch.zeros((2, DIMENSIONS)), path, "embedding", "score", ("n",))
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
            Head(score=score, input=tower, file=f"heads/{name}.onnx")  # type: ignore[arg-type]  # literals
            for name, score, tower in _SCORES
        ),
        thresholds=THRESHOLDS,
        source=f"trained by pairmill_models.tiny.train on drawn scenes, seed {seed}",
    )


def _export(
    network: Any, example: Any, path: Path, input_name: str, output_name: str, axes: tuple[str, ...]
) -> None:
    network = network.eval().to(memory_format=torch.contiguous_format)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            network,
            (example,),
            str(path),
            input_names=[input_name],
            output_names=[output_name],
            dynamic_shapes=({place: torch.export.Dim(name) for place, name in enumerate(axes)},),
            opset_version=_OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
