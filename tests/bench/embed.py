"""`pairmill embed` over shards of drawn pictures, with the tiny CLIP on one core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pairmill_inference.config import InferenceConfig
from pairmill_inference.embed import EmbedSummary, embed_shards
from pairmill_inference.handler import EmbedHandler
from pairmill_inference.parts import embed_parts
from pairmill_models.bundle import load_bundle
from pairmill_models.tiny import bundle_path
from tests.bench.drawn import write_drawn_shard
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import in_own_process, metered
from tests.bench.setup import Setup

PAIRS: Final = 2000
SHARDS: Final = 2

PER_SECOND: Final = Figure("pairs", "1/s")
MODEL_CPU: Final = Figure("CPU time per pair: model, files", "ms")
DECODE_CPU: Final = Figure("CPU time per pair: decoding child, its start included", "ms")


def benchmark(setup: Setup) -> Result:
    """Embeds the same shards several times."""
    folder = setup.folder("embed")
    pairs = setup.size(PAIRS)
    shards = [folder / f"{number:05d}.tar" for number in range(SHARDS)]
    for shard in shards:
        write_drawn_shard(shard, pairs)
    samples = [in_own_process(measure, shards, folder / f"out-{run}") for run in range(setup.runs)]
    return Result(
        name="embed",
        setup=f"{SHARDS} shards of {pairs:,} drawn pictures each, stored at 384 pixels; "
        "bundle `pairmill-tiny` (64 pixels), one core for the model, one decoding child",
        columns=[Column(label=f"{SHARDS * pairs:,} pairs", samples=samples)],
    )


def measure(shards: Sequence[Path], out: Path) -> Sample:
    """Embeds shards and returns what that took, the load of the bundle left out."""
    folder = bundle_path()
    parts = embed_parts(InferenceConfig(bundle=folder), load_bundle(folder))

    def work() -> EmbedSummary:
        handler = EmbedHandler(parts)
        try:
            return embed_shards(shards, parts, out)
        finally:
            handler.close()

    summary, usage = metered(work)
    if summary.embedded != summary.rows:
        raise RuntimeError(f"{summary.failed} of {summary.rows} pairs were not embedded")
    return {
        PER_SECOND: summary.embedded / usage.seconds,
        MODEL_CPU: 1000 * usage.own_cpu_seconds / summary.embedded,
        DECODE_CPU: 1000 * usage.child_cpu_seconds / summary.embedded,
        **usage.figures(),
    }
