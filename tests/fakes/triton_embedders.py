"""Triton embedders over a fake server and a clock that moves when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from pairmill_models.bundle import Bundle
from pairmill_models.embedder import Floats, Pixels
from pairmill_models.triton_embedder import TritonEmbedder
from pairmill_models.triton_port import Answer, Batch, values_of
from pairmill_models.triton_settings import TritonConfig
from tests.fakes.clock import ManualClock
from tests.fakes.model_server import FakeModelServer
from tests.fakes.onnx_bundle import IMAGE_SIZE

CONFIG = TritonConfig(image_batch=4, text_batch=4, request_timeout_seconds=20, patience_seconds=60)


def make(
    bundle: Bundle, server: FakeModelServer, clock: ManualClock, config: TritonConfig = CONFIG, **more: Any
) -> TritonEmbedder:
    def pause(seconds: float) -> bool:
        clock.sleep(seconds)
        return False

    return TritonEmbedder(bundle, server, config, clock=clock, pause=pause, draw=lambda: 1.0, **more)


def pictures(count: int = 10) -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (count, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)


def times(count: int, error: Callable[[], Exception]) -> Callable[[str, Batch], None]:
    """Raises so often, then no more."""
    left = [count]
    lock = threading.Lock()

    def hook(_model: str, _batch: Batch) -> None:
        with lock:
            left[0] -= 1
            if left[0] >= 0:
                raise error()

    return hook


def holds(row: Any) -> Callable[[Batch], bool]:
    """Whether a batch has a row among its own."""
    return lambda batch: bool((batch == row).reshape(len(batch), -1).all(axis=1).any())


def numbers(answer: Answer) -> Floats:
    values = values_of(answer)
    assert values is not None
    return values.copy()
