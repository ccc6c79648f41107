"""A stub that speaks Triton's protocol: a bundle's towers behind a gRPC server, with faults on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import (  # type: ignore[import-untyped]  # it ships no types
    model_config_pb2,
    service_pb2,
    service_pb2_grpc,
)

from pairmill_models.bundle import Bundle
from pairmill_models.onnx_session import OnnxGraph
from pairmill_models.triton_config import INPUT_NAMES, ServingOptions, config_text, triton_models

Spoil = Callable[[Any], Any]
_KINDS = {"UINT8": np.uint8, "INT64": np.int64}


@dataclass(kw_only=True)
class Faults:
    """What goes wrong from now on. Hooks run in the server's threads."""

    before_answer: Callable[[Any], None] = lambda request: None  # gets the request; may wait
    spoil: Spoil = lambda response: response  # gets the answer, may change it
    refuse: Callable[[], tuple[grpc.StatusCode, str] | None] = lambda: None
    metadata: list[dict[str, str]] = field(default_factory=list)  # of each call, as it came


class TritonStub(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]  # it ships no types
    """The methods that are asked of Triton."""

    def __init__(self, bundle: Bundle, faults: Faults) -> None:
        self._faults = faults
        self._configs = {model.name: config_text(model, ServingOptions()) for model in triton_models(bundle)}
        self._graphs = {
            model.name: OnnxGraph(
                bundle.path(model.graph),
                input_name=INPUT_NAMES[model.tower],
                output_name="embedding",
                threads=1,
            )
            for model in triton_models(bundle)
        }

    def ModelReady(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's name
        return service_pb2.ModelReadyResponse(ready=request.name in self._graphs)

    def ModelConfig(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's name
        self._enter(context)
        config = text_format.Parse(self._configs[request.name], model_config_pb2.ModelConfig())
        return service_pb2.ModelConfigResponse(config=config)

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the protocol's name
        self._enter(context)
        self._faults.before_answer(request)
        given = request.inputs[0]
        batch = np.frombuffer(request.raw_input_contents[0], _KINDS[given.datatype]).reshape(given.shape)
        rows = self._graphs[request.model_name].run(batch)
        response = service_pb2.ModelInferResponse(
            model_name=request.model_name, model_version="1", id=request.id
        )
        response.outputs.add(name="embedding", datatype="FP32", shape=rows.shape)
        response.raw_output_contents.append(rows.tobytes())
        return self._faults.spoil(response)

    def _enter(self, context: grpc.ServicerContext) -> None:
        self._faults.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        refusal = self._faults.refuse()
        if refusal is not None:
            context.abort(*refusal)


@contextmanager
def triton_stub(
    bundle: Bundle, faults: Faults, credentials: grpc.ServerCredentials | None = None
) -> Iterator[str]:
    """Gives the address of a stub on loopback, with TLS if there are credentials."""
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(TritonStub(bundle, faults), server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"localhost:{port}" if credentials else f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@dataclass
class Gate:
    """Holds requests back until it is opened."""

    held: int = 0
    _open: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, _request: Any) -> None:
        """Waits until the gate is open."""
        with self._lock:
            self.held += 1
        assert self._open.wait(60)

    def open(self) -> None:
        """Lets all through."""
        self._open.set()
