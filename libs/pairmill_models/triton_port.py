"""What the Triton embedder needs of a model server, in types of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill.errors import RetriableError
from pairmill_models.bundle import Tower

Batch: TypeAlias = npt.NDArray[np.uint8] | npt.NDArray[np.int64]
"""(n, size, size, 3) pixels or (n, length) tokens."""

_TYPES: Final[Mapping[str, np.dtype[Any]]] = {"FP32": np.dtype("<f4"), "FP16": np.dtype("<f2")}

RequestEnding = Literal["answered", "busy", "away", "slow", "refused", "wrong"]
"""How a request ended: `refused` is the batch's fault, `wrong` an answer that is not the model's."""


class ServerAwayError(RetriableError):
    """The server cannot be reached, is starting or stopping, or does not hold the model (F1)."""


class ServerBusyError(RetriableError):
    """The server is there, but its queue is full; waiting is all that helps (F3)."""


class ServerSlowError(RetriableError):
    """No answer within the request's time; what comes later is not looked at (F2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a server says of a model that it holds."""

    max_batch: int  # most rows of a request
    input_type: str  # in Triton's words, such as UINT8
    input_shape: tuple[int, ...]  # of a row; -1 is any length
    output_type: str
    output_shape: tuple[int, ...]
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A model's answer to one request, as it came."""

    request_id: str
    model: str
    data_type: str  # in Triton's words, such as FP32
    shape: tuple[int, ...]
    data: bytes  # row by row


class ModelServer(Protocol):
    """A server that holds models. Thread-safe.

    Every call raises ServerAwayError, ServerBusyError or ServerSlowError where waiting may help, and
    ConfigurationError where the server does not let this client in.
    """

    def facts(self, model: str, *, timeout_seconds: float) -> ModelFacts:
        """Returns what the server says of a model now."""
        ...

    def infer(self, model: str, batch: Batch, *, request_id: str, timeout_seconds: float) -> Answer:
        """Returns the model's answer; raises ModelError besides, where the model refuses the batch."""
        ...

    def ping(self, model: str, *, timeout_seconds: float) -> None:
        """Raises ServerAwayError unless the model is ready to be asked."""
        ...

    def reconnect(self) -> None:
        """Drops the connection: the next call makes a new one. Calls under way end with ServerAwayError."""
        ...

    def close(self) -> None:
        """Drops the connection for good."""
        ...


class RequestObserver(Protocol):
    """Takes measures of single requests. Thread-safe."""

    def requested(self, tower: Tower, rows: int, seconds: float, ending: RequestEnding) -> None:
        """A request for so many rows ended so, after that many seconds."""
        ...


class NoRequestObserver:
    """Takes measures and forgets them."""

    def requested(self, tower: Tower, rows: int, seconds: float, ending: RequestEnding) -> None:
        """Does nothing."""


def values_of(answer: Answer) -> npt.NDArray[Any] | None:
    """Returns the answer's numbers in its shape, None where bytes, type and shape do not go together."""
    kind = _TYPES.get(answer.data_type)
    if kind is None or any(side < 0 for side in answer.shape):
        return None
    count = int(np.prod(answer.shape, dtype=np.int64))
    if count * kind.itemsize != len(answer.data):
        return None
    values: npt.NDArray[Any] = np.frombuffer(answer.data, kind)
    return values.reshape(answer.shape)
