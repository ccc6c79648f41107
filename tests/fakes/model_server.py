"""A model server without a network: a bundle's towers in this process, with faults on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pairmill_models.bundle import Bundle
from pairmill_models.onnx_session import OnnxGraph
from pairmill_models.triton_config import INPUT_NAMES, INPUT_TYPES, triton_models
from pairmill_models.triton_port import Answer, Batch, ModelFacts


@dataclass(kw_only=True)
class FakeModelServer:
    """Answers like Triton. Hooks may raise, or change what is said; `calls` has what was asked, in order."""

    graphs: dict[str, OnnxGraph]
    held: dict[str, ModelFacts]
    before_infer: Callable[[str, Batch], None] = lambda model, batch: None
    spoil: Callable[[Answer], Answer] = lambda answer: answer
    before_facts: Callable[[str], None] = lambda model: None
    before_ping: Callable[[str], None] = lambda model: None
    calls: list[tuple[str, int]] = field(default_factory=list)  # what was asked, and rows of requests
    most_at_once: int = 0
    connections: int = 1
    closed: bool = False
    _at_once: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def facts(self, model: str, *, timeout_seconds: float) -> ModelFacts:
        self._note("facts", 0)
        self.before_facts(model)
        return self.held[model]

    def infer(self, model: str, batch: Batch, *, request_id: str, timeout_seconds: float) -> Answer:
        self._note("infer", len(batch))
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self.before_infer(model, batch)
            rows = self.graphs[model].run(batch)
        finally:
            with self._lock:
                self._at_once -= 1
        return self.spoil(
            Answer(
                request_id=request_id, model=model, data_type="FP32", shape=rows.shape, data=rows.tobytes()
            )
        )

    def ping(self, model: str, *, timeout_seconds: float) -> None:
        self._note("ping", 0)
        self.before_ping(model)

    def reconnect(self) -> None:
        self.connections += 1

    def close(self) -> None:
        self.closed = True

    def asked(self, what: str) -> list[int]:
        """The rows of the calls of a kind."""
        return [rows for call, rows in self.calls if call == what]

    def _note(self, call: str, rows: int) -> None:
        with self._lock:
            self.calls.append((call, rows))


def fake_model_server(bundle: Bundle, *, max_batch: int = 64) -> FakeModelServer:
    """Returns a server that holds a bundle."""
    models = triton_models(bundle)
    return FakeModelServer(
        graphs={
            model.name: OnnxGraph(
                bundle.path(model.graph),
                input_name=INPUT_NAMES[model.tower],
                output_name="embedding",
                threads=1,
            )
            for model in models
        },
        held={
            model.name: ModelFacts(
                max_batch=max_batch,
                input_type=INPUT_TYPES[model.tower],
                input_shape=model.input_shape,
                output_type="FP32",
                output_shape=(model.dimensions,),
                parameters={
                    "pairmill_bundle_digest": model.bundle_digest,
                    "pairmill_model_version": model.model_version,
                },
            )
            for model in models
        },
    )


def with_rows(answer: Answer, rows: Any) -> Answer:
    """Returns an answer with other numbers."""
    kind = {"float32": "FP32", "float16": "FP16", "float64": "FP64"}[rows.dtype.name]
    return replace(answer, data_type=kind, shape=rows.shape, data=np.ascontiguousarray(rows).tobytes())
