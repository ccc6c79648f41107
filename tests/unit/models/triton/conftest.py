"""A Triton embedder over a fake server of a random bundle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pairmill_models.bundle import Bundle
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.triton_embedder import TritonEmbedder
from tests.fakes.clock import ManualClock
from tests.fakes.model_server import FakeModelServer, fake_model_server
from tests.fakes.onnx_bundle import random_bundle
from tests.fakes.triton_embedders import make


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def here(bundle: Bundle) -> OnnxEmbedder:
    return OnnxEmbedder(bundle)


@pytest.fixture
def server(bundle: Bundle) -> FakeModelServer:
    return fake_model_server(bundle)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def embedder(bundle: Bundle, server: FakeModelServer, clock: ManualClock) -> Iterator[TritonEmbedder]:
    embedder = make(bundle, server, clock)
    yield embedder
    embedder.close()
