"""Trains the tiny CLIP from a seed and writes its bundle.

    python -m pairmill_models.tiny.train --out libs/pairmill_models/tiny/bundle

Needs torch (extra `export`). On one machine with the same versions and number of threads, the same seed
gives the same bundle.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer

from pairmill_models.tiny.bundling import write_tiny_bundle
from pairmill_models.tiny.examples import IMAGE_SIZE, attributes_of, training_examples
from pairmill_models.tiny.network import TinyClip
from pairmill_models.tiny.objective import Batch, loss_of
from pairmill_models.tiny.scenes import Scene
from pairmill_models.tiny.scenes.scene import stream
from pairmill_models.tiny.vocabulary import CONTEXT_LENGTH, PAD_ID, train_tokenizer
from pairmill_models.tiny.wild import wild_caption

SEED: Final = 1
STEPS: Final = 2500
PAIRS: Final = 24_000

_PAIRS_PER_STEP: Final = 64
_RATE: Final = 2e-3
_DECAY: Final = 0.03
_WARM_UP: Final = 150
_LOG_EVERY: Final = 50
_SAVE_EVERY: Final = 500
_MAX_NORM: Final = 2.0
_SHIFT: Final = 2  # pixels


@dataclass(frozen=True, slots=True)
class Pool:
    """All training examples as arrays; rows 2i and 2i+1 are siblings."""

    pixels: Any  # (n, side, side, 3) uint8
    scenes: list[Scene]
    attributes: Any  # (n, attributes) int64
    flags: Any  # (n, 3) float32: unsafe, watermark, beauty


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains, writes the bundle, returns the exit code."""
    options = _parser().parse_args(arguments)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    tokenizer = train_tokenizer(options.seed)
    print(f"drawing {2 * options.pairs} pictures", flush=True)
    pool = draw_pool(options.seed, options.pairs, processes=options.processes)
    model = TinyClip(tokenizer.get_vocab_size()).to(memory_format=torch.channels_last)
    _train(model, tokenizer, pool, seed=options.seed, steps=options.steps, checkpoint=options.checkpoint)
    bundle = write_tiny_bundle(model.eval(), tokenizer, options.out, seed=options.seed)
    print(f"{bundle.folder}: {sum(facts.bytes for facts in bundle.files.values())} bytes, {bundle.digest}")
    return 0


def draw_pool(seed: int, pairs: int, *, processes: int) -> Pool:
    """Draws the training set of a seed."""
    count = 2 * pairs
    pixels = np.empty((count, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    flags = np.empty((count, 3), np.float32)
    scenes = []
    for row, example in enumerate(training_examples(seed, pairs, processes=processes)):
        pixels[row] = example.pixels
        flags[row] = example.unsafe, example.watermark, example.beauty
        scenes.append(example.scene)
    attributes = np.array([attributes_of(scene) for scene in scenes], np.int64)
    return Pool(torch.from_numpy(pixels), scenes, torch.from_numpy(attributes), torch.from_numpy(flags))


def _train(
    model: TinyClip, tokenizer: Tokenizer, pool: Pool, *, seed: int, steps: int, checkpoint: Path | None
) -> None:
    optimiser = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=_DECAY, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _pace(step, steps))
    pairs = np.random.default_rng(seed)
    started = time.monotonic()
    for step in range(steps):
        batch = _batch(pool, tokenizer, pairs.choice(len(pool.scenes) // 2, _PAIRS_PER_STEP), (seed, step))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, parts = loss_of(model, batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), _MAX_NORM)
        optimiser.step()
        schedule.step()
        if step % _LOG_EVERY == 0 or step == steps - 1:
            shown = " ".join(f"{name}={value:.3f}" for name, value in parts.items())
            print(
                f"{time.monotonic() - started:7.1f} s, step {step}: {float(loss.detach()):.3f} {shown}",
                flush=True,
            )
        if checkpoint is not None and ((step + 1) % _SAVE_EVERY == 0 or step == steps - 1):
            torch.save(model.state_dict(), checkpoint)
            tokenizer.save(f"{checkpoint}.tokenizer.json")


def _pace(step: int, steps: int) -> float:
    """Returns the share of the full rate: a short warm-up, then down along half a cosine."""
    if step < _WARM_UP:
        return (step + 1) / _WARM_UP
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * (step - _WARM_UP) / max(1, steps - _WARM_UP))))


def _batch(pool: Pool, tokenizer: Tokenizer, pairs: Any, key: tuple[int, int]) -> Batch:
    rows = np.stack([2 * pairs, 2 * pairs + 1], axis=1).reshape(-1)
    captions = [
        wild_caption(pool.scenes[row], stream("step", *key, place)) for place, row in enumerate(rows.tolist())
    ]
    index = torch.from_numpy(rows)
    flags = pool.flags[index]
    return Batch(
        pixels=_varied(pool.pixels[index]),
        tokens=_tokens(tokenizer, [text for text, _ in captions]),
        attributes=pool.attributes[index],
        unsafe=flags[:, 0],
        watermark=flags[:, 1],
        toxic=torch.tensor([float(toxic) for _, toxic in captions]),
        beauty=flags[:, 2],
    )


def _tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> Any:
    tokenizer.enable_truncation(CONTEXT_LENGTH)
    rows = [item.ids for item in tokenizer.encode_batch(list(texts))]
    tokens = np.full((len(rows), max(map(len, rows))), PAD_ID, np.int64)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = row
    return torch.from_numpy(tokens)


def _varied(pixels: Any) -> Any:
    """Returns pictures a little lighter or darker, and moved by a pixel or two."""
    count, side = pixels.shape[:2]
    gain = 1 + 0.1 * (2 * torch.rand(count, 1, 1, 1) - 1)
    offset = 12 * (2 * torch.rand(count, 1, 1, 1) - 1)
    varied = (pixels.float() * gain + offset).clamp(0, 255)
    padded = torch.nn.functional.pad(varied.permute(0, 3, 1, 2), (_SHIFT,) * 4, mode="replicate")
    across, down = torch.randint(0, 2 * _SHIFT + 1, (2,)).tolist()
    return padded[..., down : down + side, across : across + side].permute(0, 2, 3, 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pairmill_models.tiny.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs of scenes to draw")
    parser.add_argument("--processes", type=int, default=2, help="that draw")
    parser.add_argument("--threads", type=int, default=1, help="that train; more only pay on idle cores")
    parser.add_argument("--checkpoint", type=Path, help="file for what was learnt so far")
    return parser


if __name__ == "__main__":
    sys.exit(main())
