"""A model for child processes. Importable, so that it can be sent there."""

from __future__ import annotations

from pairmill_inference.model import PinnedModel
from tests.fakes.embedder import FakeEmbedder


def fake_model() -> PinnedModel:
    return PinnedModel(embedder=FakeEmbedder(), name="fake", version="fake-1", dimensions=16)
