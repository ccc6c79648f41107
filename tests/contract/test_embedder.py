"""The embedder's contract over the fake, over onnxruntime in process, and over a real tritonserver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from deploy.local.triton import TritonServer
from pairmill_models.bundle import Bundle, load_bundle
from pairmill_models.check import BundleCheck
from pairmill_models.embedder import Embedder
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.tiny import bundle_path
from pairmill_models.triton_client import TritonClient
from pairmill_models.triton_config import Backend, ServingOptions
from pairmill_models.triton_embedder import TritonEmbedder
from pairmill_models.triton_repository import write_repository
from pairmill_models.triton_settings import TritonConfig
from tests.contract.embedder_contract import TEXTS, TOLERANCE, EmbedderContract, pictures
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


@pytest.fixture(scope="module")
def tiny() -> Bundle:
    return load_bundle(bundle_path())


@pytest.fixture(scope="module")
def served(
    tiny: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
    triton_server: Callable[[Path], TritonServer],
) -> Iterator[TritonEmbedder]:
    """The tiny CLIP in a real tritonserver, asked in small requests so that every batch takes several."""
    repository = tmp_path_factory.mktemp("triton") / "models"
    write_repository(tiny, repository, ServingOptions(backend=Backend.PYTHON, max_batch=32))
    config = TritonConfig(image_batch=5, text_batch=3)
    server = triton_server(repository)
    embedder = TritonEmbedder(tiny, TritonClient(server.address, config), config)
    yield embedder
    embedder.close()


class TestTinyInProcess(EmbedderContract):
    @pytest.fixture
    def embedder(self, tiny: Bundle) -> Embedder:
        return OnnxEmbedder(tiny)


class TestTritonEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self, served: TritonEmbedder) -> Embedder:
        return served

    def test_it_gives_what_onnxruntime_gives_in_process(self, tiny: Bundle, embedder: Embedder) -> None:
        here = OnnxEmbedder(tiny)
        images = pictures(here, 40)
        assert np.allclose(embedder.embed_images(images), here.embed_images(images), atol=TOLERANCE)
        texts = [f"{text} {number}" for number in range(10) for text in TEXTS]
        assert np.allclose(embedder.embed_texts(texts), here.embed_texts(texts), atol=TOLERANCE)

    def test_it_gives_the_bundle_s_known_answers(self, tiny: Bundle, embedder: Embedder) -> None:
        BundleCheck(tiny).check_embedder(embedder)
        embedder.ping()
