"""Examines the tiny CLIP on scenes that its training never saw, as the pipeline runs it.

python -m pairmill_models.tiny.evaluate

Needs onnxruntime, not torch.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pairmill_models.bundle import load_bundle
from pairmill_models.embedder import Embedder, Floats
from pairmill_models.heads import Heads, OnnxHeads
from pairmill_models.known import as_stored
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.tiny import bundle_path
from pairmill_models.tiny.examples import Example, held_out_examples
from pairmill_models.tiny.measures import auc, correlation, top1
from pairmill_models.tiny.scenes import LANGUAGES, caption_of, with_toxic_words

COUNT: Final = 1000
SEED: Final = 2026

_MATCHED_LOW, _STRANGE_HIGH = 0.5, 99.9  # percentiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How the model does on held-out scenes."""

    top1: Mapping[str, float]  # by language: a caption's own picture is the nearest of 100
    auc: Mapping[str, float]  # by score; aesthetic: upper against lower half
    aesthetic_correlation: float
    matched: Mapping[str, float]  # by language: cosine that 99.5 % of pairs reach
    strange: Mapping[str, float]  # by language: cosine that 99.9 % of strangers stay under


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m pairmill_models.tiny.evaluate", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=bundle_path())
    parser.add_argument("--count", type=int, default=COUNT, help="held-out scenes")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args(arguments)
    bundle = load_bundle(options.bundle)
    figures = examine(OnnxEmbedder(bundle), OnnxHeads(bundle), count=options.count, seed=options.seed)
    print(json.dumps(asdict(figures), indent=2) if options.json else _table(figures))
    return 0


def examine(embedder: Embedder, heads: Heads, *, count: int = COUNT, seed: int = SEED) -> Figures:
    """Returns the model's figures on `count` held-out scenes, as stored embeddings give them."""
    plain = held_out_examples(seed, count, marked=False)
    marked = held_out_examples(seed + 1, count, marked=True)
    images = _images(embedder, plain)
    texts = {language: _texts(embedder, _captions(plain, language)) for language in LANGUAGES}
    cosines = {language: rows @ images.T for language, rows in texts.items()}
    own = np.eye(count, dtype=bool)
    judged, correlated = _judge(embedder, heads, marked)
    return Figures(
        top1={language: top1(rows, images) for language, rows in texts.items()},
        auc=judged,
        aesthetic_correlation=correlated,
        matched={name: float(np.percentile(rows[own], _MATCHED_LOW)) for name, rows in cosines.items()},
        strange={name: float(np.percentile(rows[~own], _STRANGE_HIGH)) for name, rows in cosines.items()},
    )


def _judge(embedder: Embedder, heads: Heads, marked: Sequence[Example]) -> tuple[dict[str, float], float]:
    """Returns the heads' AUC, and how well the aesthetic score follows the truth."""
    is_toxic = np.arange(len(marked)) % 2 == 1
    captions = [
        with_toxic_words(caption_of(example.scene, language, place), place)
        if is_toxic[place]
        else caption_of(example.scene, language, place)
        for place, example in enumerate(marked)
        for language in [LANGUAGES[place % len(LANGUAGES)]]
    ]
    scores = heads.score(_images(embedder, marked), _texts(embedder, captions))
    beauty = np.array([example.beauty for example in marked], np.float32)
    truths = {
        "unsafe_score": np.array([example.unsafe for example in marked]),
        "watermark_score": np.array([example.watermark for example in marked]),
        "aesthetic_score": beauty > np.median(beauty),
        "toxicity": is_toxic,
    }
    judged = {name: auc(scores[name], truth) for name, truth in truths.items()}
    return judged, correlation(scores["aesthetic_score"], beauty)


def _captions(examples: Sequence[Example], language: str) -> list[str]:
    return [caption_of(example.scene, language, place) for place, example in enumerate(examples)]


def _images(embedder: Embedder, examples: Sequence[Example]) -> Floats:
    return as_stored(embedder.embed_images(np.stack([example.pixels for example in examples])))


def _texts(embedder: Embedder, captions: Sequence[str]) -> Floats:
    return as_stored(embedder.embed_texts(captions))


def _table(figures: Figures) -> str:
    lines = ["language  top-1 of 100  99.5 % of pairs above  99.9 % of strangers below"]
    lines += [
        f"{name:8}  {figures.top1[name]:12.3f}  {figures.matched[name]:21.3f}  {figures.strange[name]:24.3f}"
        for name in figures.top1
    ]
    lines += ["", "score            AUC"]
    lines += [f"{name:15}  {value:.4f}" for name, value in figures.auc.items()]
    return "\n".join(
        [*lines, f"aesthetic score, correlation with the truth: {figures.aesthetic_correlation:.3f}"]
    )


if __name__ == "__main__":
    sys.exit(main())
