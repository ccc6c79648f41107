"""The embedder's contract over the fake and over onnxruntime in process."""

from __future__ import annotations

import pytest

from pairmill_models.bundle import Bundle
from pairmill_models.embedder import Embedder
from pairmill_models.onnx_embedder import OnnxEmbedder
from tests.contract.embedder_contract import EmbedderContract
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.onnx_bundle import random_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


class TestFakeEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> Embedder:
        return FakeEmbedder()


class TestOnnxEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self, bundle: Bundle) -> Embedder:
        return OnnxEmbedder(bundle)
