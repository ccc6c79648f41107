"""Heads: small models on top of stored embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pairmill_models.bundle import Bundle, Head
from pairmill_models.embedder import Floats, ModelError
from pairmill_models.onnx_session import OnnxGraph


class Heads(Protocol):
    """What gives scores for embeddings. Thread-safe."""

    def score(self, images: Floats, texts: Floats) -> Mapping[str, Floats]:
        """Returns (n,) float32 for each score that there is a head for."""
        ...


class OnnxHeads:
    """All heads of a bundle by onnxruntime. Thread-safe."""

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        """Loads the heads; raises ConfigurationError if one is not what a bundle holds."""
        self._heads: list[tuple[Head, OnnxGraph]] = [
            (
                head,
                OnnxGraph(
                    bundle.path(head.file), input_name="embedding", output_name="score", threads=threads
                ),
            )
            for head in bundle.heads
        ]

    def score(self, images: Floats, texts: Floats) -> Mapping[str, Floats]:
        """Returns (n,) float32 for each score that the bundle has a head for.

        `images` and `texts` are (n, dim) float32 holding float16-rounded values: some heads look single
        numbers up and know no others. Raises ModelError for embeddings of another width.
        """
        scores: dict[str, Floats] = {}
        for head, graph in self._heads:
            rows = images if head.input == "image" else texts
            answer = graph.run(rows)
            if answer.shape != (len(rows),):
                raise ModelError(f"the head {head.score} gave {answer.shape} for {len(rows)} rows")
            scores[head.score] = answer
        return scores
