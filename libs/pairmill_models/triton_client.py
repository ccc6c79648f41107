"""Triton through `tritonclient`: the only module that knows its types and its errors."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import grpc
from tritonclient.grpc import (  # type: ignore[import-untyped]  # it ships no types
    InferenceServerClient,
    InferInput,
    InferRequestedOutput,
)
from tritonclient.utils import (  # type: ignore[import-untyped]  # it ships no types
    InferenceServerException,
)

from pairmill.errors import ConfigurationError, PairmillError
from pairmill_models.bundle import Tower
from pairmill_models.embedder import ModelError
from pairmill_models.triton_config import INPUT_NAMES, INPUT_TYPES, OUTPUT_NAME
from pairmill_models.triton_port import (
    Answer,
    Batch,
    ModelFacts,
    ServerAwayError,
    ServerBusyError,
    ServerSlowError,
)
from pairmill_models.triton_settings import TritonConfig

_RECONNECT_MILLISECONDS: Final = 200
_RECONNECT_MAX_MILLISECONDS: Final = 5000

_MEANINGS: Final[Mapping[grpc.StatusCode, type[PairmillError]]] = {
    grpc.StatusCode.UNAVAILABLE: ServerAwayError,
    grpc.StatusCode.NOT_FOUND: ServerAwayError,  # not loaded yet, or not any more
    grpc.StatusCode.CANCELLED: ServerAwayError,
    grpc.StatusCode.ABORTED: ServerAwayError,
    grpc.StatusCode.DATA_LOSS: ServerAwayError,
    grpc.StatusCode.DEADLINE_EXCEEDED: ServerSlowError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ServerBusyError,
    grpc.StatusCode.INVALID_ARGUMENT: ModelError,
    grpc.StatusCode.FAILED_PRECONDITION: ModelError,
    grpc.StatusCode.OUT_OF_RANGE: ModelError,
    grpc.StatusCode.ALREADY_EXISTS: ModelError,
    grpc.StatusCode.INTERNAL: ModelError,  # what a backend raises, memory that ran out included
    grpc.StatusCode.UNKNOWN: ModelError,
    grpc.StatusCode.UNAUTHENTICATED: ConfigurationError,
    grpc.StatusCode.PERMISSION_DENIED: ConfigurationError,
    grpc.StatusCode.UNIMPLEMENTED: ConfigurationError,  # that is no Triton
}
_FULL: Final = ("maximum queue size", "timeout expired")  # of a queue, said as UNAVAILABLE
_TOO_LARGE: Final = "larger than max"  # of a message, said as RESOURCE_EXHAUSTED


class TritonClient:
    """One server at `host:port`, or several behind `dns:///name:port`, each asked in turn. Thread-safe."""

    def __init__(self, target: str, config: TritonConfig) -> None:
        """Connects when first asked; raises ConfigurationError if a file of the settings cannot be read."""
        self._target = target
        self._config = config
        self._lock = threading.Lock()
        self._connection: Any = None
        self._closed = False
        _credentials(config)

    def facts(self, model: str, *, timeout_seconds: float) -> ModelFacts:
        """Returns what the server says of a model now."""
        config = self._call("get_model_config", model, client_timeout=timeout_seconds).config
        given, output = config.input, config.output
        if len(given) != 1 or len(output) != 1:
            raise ConfigurationError(
                f"triton: {model} at {self._target} has {len(given)} inputs and {len(output)} outputs, "
                "one of each is wanted; write it with `pairmill bundle triton`"
            )
        return ModelFacts(
            max_batch=config.max_batch_size,
            input_type=_type_name(given[0]),
            input_shape=tuple(given[0].dims),
            output_type=_type_name(output[0]),
            output_shape=tuple(output[0].dims),
            parameters={key: value.string_value for key, value in config.parameters.items()},
        )

    def infer(self, model: str, batch: Batch, *, request_id: str, timeout_seconds: float) -> Answer:
        """Returns the model's answer."""
        tower: Tower = "image" if batch.ndim == 4 else "text"
        tensor = InferInput(INPUT_NAMES[tower], list(batch.shape), INPUT_TYPES[tower])
        tensor.set_data_from_numpy(batch)
        result = self._call(
            "infer",
            model,
            [tensor],
            outputs=[InferRequestedOutput(OUTPUT_NAME)],
            request_id=request_id,
            timeout=int(timeout_seconds * 1e6),  # no longer in the server's queue than we wait
            client_timeout=timeout_seconds,
        )
        return _answer(result.get_response())

    def ping(self, model: str, *, timeout_seconds: float) -> None:
        """Raises ServerAwayError unless the model is ready to be asked."""
        if not self._call("is_model_ready", model, client_timeout=timeout_seconds):
            raise ServerAwayError(f"triton: {model} is not ready at {self._target}")

    def reconnect(self) -> None:
        """Drops the connection."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Drops the connection for good."""
        self._closed = True
        self.reconnect()

    def _call(self, method: str, *arguments: Any, **options: Any) -> Any:
        connection = self._connected()
        try:
            return getattr(connection, method)(*arguments, headers=_headers(self._config), **options)
        except InferenceServerException as error:
            _raise_translated(error, self._target)
        except ValueError as error:
            if self._connection is connection:
                raise
            raise ServerAwayError(f"triton: {self._target}: the connection was closed") from error

    def _connected(self) -> Any:
        with self._lock:
            if self._closed:
                raise ServerAwayError(f"triton: {self._target}: the client is closed")
            if self._connection is None:
                self._connection = InferenceServerClient(
                    self._target, creds=_credentials(self._config), channel_args=_channel(self._config)
                )
            return self._connection


def translated(error: InferenceServerException, target: str) -> PairmillError:
    """Returns what an error of the client library means to us."""
    code, text = code_of(error), error.message() or ""
    meaning = _MEANINGS.get(code, ModelError) if code is not None else ModelError
    if code is grpc.StatusCode.UNAVAILABLE and any(word in text for word in _FULL):
        meaning = ServerBusyError
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in text:
        meaning = ModelError  # a smaller batch will do
    name = code.name if code is not None else "no status"
    return meaning(f"triton: {target}: {name}: {text}")


def code_of(error: InferenceServerException) -> grpc.StatusCode | None:
    """Returns the status of an error, None where it has none that is known."""
    name = str(error.status() or "").removeprefix("StatusCode.")
    return grpc.StatusCode[name] if name in grpc.StatusCode.__members__ else None


def _raise_translated(error: InferenceServerException, target: str) -> NoReturn:
    raise translated(error, target) from error


def _answer(response: Any) -> Answer:
    """Returns an answer whose numbers stand in one run of bytes; what is missing is empty."""
    output = response.outputs[0] if len(response.outputs) == 1 else None
    raw = response.raw_output_contents
    return Answer(
        request_id=response.id,
        model=response.model_name,
        data_type=output.datatype if output is not None and output.name == OUTPUT_NAME else "",
        shape=tuple(output.shape) if output is not None else (),
        data=raw[0] if len(raw) == 1 else b"",
    )


def _type_name(tensor: Any) -> str:
    enum = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type
    name: str = enum.values_by_number[tensor.data_type].name
    return name.removeprefix("TYPE_")


def _channel(config: TritonConfig) -> list[tuple[str, Any]]:
    return [
        ("grpc.max_send_message_length", config.max_message_bytes),
        ("grpc.max_receive_message_length", config.max_message_bytes),
        ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MILLISECONDS),
        ("grpc.min_reconnect_backoff_ms", _RECONNECT_MILLISECONDS),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_MAX_MILLISECONDS),
        ("grpc.use_local_subchannel_pool", 1),  # a new connection is new, also where the old one hangs
        ("grpc.enable_retries", 0),  # we do it ourselves, and count it
        ("grpc.lb_policy_name", "round_robin"),
    ]


def _credentials(config: TritonConfig) -> grpc.ChannelCredentials | None:
    if not config.tls:
        return None
    files = (config.ca_file, config.key_file, config.certificate_file)
    names = ("ca_file", "key_file", "certificate_file")
    pems = [_read(name, path) for name, path in zip(names, files, strict=True)]
    return grpc.ssl_channel_credentials(*pems)


def _headers(config: TritonConfig) -> dict[str, str] | None:
    token = _read("token_file", config.token_file)
    return None if token is None else {"authorization": f"Bearer {token.decode().strip()}"}


def _read(name: str, path: Any) -> bytes | None:
    if path is None:
        return None
    try:
        data: bytes = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"triton.{name}: {path}: {error.strerror}") from error
    return data
