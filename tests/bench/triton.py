"""A model of the size of CLIP ViT-B/32 in process and through Triton, on the same cores, turn by turn."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from deploy.local.triton import TritonServer
from pairmill_models.bundle import Bundle, load_bundle
from pairmill_models.embedder import Embedder
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.triton_client import TritonClient
from pairmill_models.triton_config import Backend, ServingOptions
from pairmill_models.triton_embedder import TritonEmbedder
from pairmill_models.triton_repository import write_repository
from pairmill_models.triton_settings import TritonConfig
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import CPU, in_own_process, metered
from tests.bench.setup import Setup
from tests.bench.vit import SMALL, Size, vit_bundle

PAIRS: Final = 128
BLOCK: Final = 128  # as an embed unit's
_TOY_BELOW: Final = 0.1  # a smaller scale takes a model that is none
_WARM_UP_SECONDS: Final = 600.0

PAIRS_PER_SECOND: Final = Figure("pairs", "1/s")
IMAGES_PER_SECOND: Final = Figure("images", "1/s")
TEXTS_PER_SECOND: Final = Figure("texts", "1/s")
PAIRS_PER_CPU_SECOND: Final = Figure("pairs per second of CPU time, all processes", "1/s")
RATIO: Final = Figure("pairs, as a share of those in process in the same turn", "")
CPU_RATIO: Final = Figure("the same per second of CPU time", "")
DIFFERENCE: Final = Figure("largest difference of a number", "1e-6")


def benchmark(setup: Setup) -> Result:
    """Embeds the same pairs both ways, several times."""
    folder = setup.folder("triton")
    pairs, cores, toy = setup.size(PAIRS), len(os.sched_getaffinity(0)), setup.scale < _TOY_BELOW
    bundle = vit_bundle(folder / "bundle", SMALL if toy else Size())
    options = ServingOptions(backend=Backend.PYTHON, threads=cores, max_batch=64)
    write_repository(bundle, folder / "models", options)
    here: list[Sample] = []
    served: list[Sample] = []
    with started(TritonServer(folder / "server", folder / "models")) as server:
        for _ in range(setup.runs):
            here.append(in_own_process(measure, bundle.folder, pairs, cores))
            sample = in_own_process(measure, bundle.folder, pairs, cores, server.address, server.pid)
            served.append(_beside(here[-1], sample))
    return Result(
        name="triton",
        setup=f"{pairs:,} pairs in blocks of {BLOCK}, texts of 6 to 40 tokens; random weights of the size of "
        f"{'a toy' if toy else 'CLIP ViT-B/32'} in float32, {cores} threads; tritonserver with the Python "
        "backend on the same cores; its memory is not counted",
        columns=[Column(label="in process", samples=here), Column(label="through Triton", samples=served)],
    )


@contextmanager
def started(server: TritonServer) -> Iterator[TritonServer]:
    """Starts a server, whose warm-up takes its time, and stops it."""
    server.start(seconds=_WARM_UP_SECONDS)
    try:
        yield server
    finally:
        server.stop()


def _beside(here: Sample, served: Sample) -> Sample:
    """Returns the figures of a run through Triton, and what share they are of those before it in process."""
    return {
        **served,
        RATIO: served[PAIRS_PER_SECOND] / here[PAIRS_PER_SECOND],
        CPU_RATIO: served[PAIRS_PER_CPU_SECOND] / here[PAIRS_PER_CPU_SECOND],
    }


def measure(folder: Path, pairs: int, cores: int, target: str = "", server: int = 0) -> Sample:
    """Embeds pairs and returns what that took, loading left out."""
    bundle = load_bundle(folder)
    embedder = _embedder(bundle, cores, target)
    draw = np.random.default_rng(7)
    size = bundle.image_size
    images = draw.integers(0, 256, (pairs, size, size, 3), dtype=np.uint8)
    texts = ["x" * int(length) for length in draw.integers(4, 38, pairs)]
    embedder.embed_images(images[:16])
    embedder.embed_texts(texts[:16])
    spent = {"image": 0.0, "text": 0.0}

    def work() -> int:
        for start in range(0, pairs, BLOCK):
            rows = slice(start, start + BLOCK)
            spent["image"] += _timed(lambda rows=rows: embedder.embed_images(images[rows]))  # type: ignore[misc]  # a default binds it
            spent["text"] += _timed(lambda rows=rows: embedder.embed_texts(texts[rows]))  # type: ignore[misc]  # a default binds it
        return pairs

    before = _cpu_seconds(server)
    _, usage = metered(work)
    cpu_seconds = usage.cpu_seconds + _cpu_seconds(server) - before
    difference = _difference(bundle, cores, embedder) if target else 0.0
    embedder.close()
    return {
        PAIRS_PER_SECOND: pairs / usage.seconds,
        IMAGES_PER_SECOND: pairs / spent["image"],
        TEXTS_PER_SECOND: pairs / spent["text"],
        PAIRS_PER_CPU_SECOND: pairs / cpu_seconds,
        **({DIFFERENCE: difference * 1e6} if target else {}),
        **usage.figures(),
        CPU: cpu_seconds,
    }


def _cpu_seconds(server: int) -> float:
    """Returns the CPU time of a server and of the processes that run its models; 0 where there is none."""
    if not server:
        return 0.0
    first = psutil.Process(server)
    times = [process.cpu_times() for process in (first, *first.children(recursive=True))]
    return sum(spent.user + spent.system for spent in times)


def _embedder(bundle: Bundle, cores: int, target: str) -> Embedder:
    if not target:
        return OnnxEmbedder(bundle, threads=cores)
    config = TritonConfig(request_timeout_seconds=300, patience_seconds=600)
    return TritonEmbedder(bundle, TritonClient(target, config), config)


def _difference(bundle: Bundle, cores: int, embedder: Embedder) -> float:
    here, size = OnnxEmbedder(bundle, threads=cores), bundle.image_size
    images = np.random.default_rng(8).integers(0, 256, (8, size, size, 3), dtype=np.uint8)
    texts = [f"text {number}" for number in range(8)]
    differences = (
        embedder.embed_images(images) - here.embed_images(images),
        embedder.embed_texts(texts) - here.embed_texts(texts),
    )
    largest = max(float(np.abs(difference).max()) for difference in differences)
    if not largest < 1e-5:
        raise RuntimeError(f"Triton's answers differ by {largest}")
    return largest


def _timed(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started
