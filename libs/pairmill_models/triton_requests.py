"""Single requests to a model server: tried again while waiting may help, and their answers checked."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError, PairmillError, RetriableError
from pairmill_models.bundle import Tower
from pairmill_models.embedder import Floats, ModelError
from pairmill_models.triton_models import ServedModels
from pairmill_models.triton_port import (
    Answer,
    Batch,
    ModelServer,
    RequestEnding,
    RequestObserver,
    ServerBusyError,
    ServerSlowError,
    values_of,
)

Result = TypeVar("Result")

MAX_NORM_ERROR: Final = 1e-2
"""Most that the length of a row may be off 1; half precision takes its share."""

_FIRST_DELAY_SECONDS: Final = 0.1
_MAX_DELAY_SECONDS: Final = 5.0
_NO_LENGTH: Final = 1e-6  # such a row has no direction, which is for its reader to judge (E15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Tries calls again while waiting may help: exponential delays with jitter up to one deadline."""

    seconds: float  # from the first try to the start of the last
    clock: Clock
    pause: Callable[[float], bool]  # waits; returns True if there is no use in going on
    draw: Callable[[], float] = random.random

    def run(self, call: Callable[[], Result], after_failure: Callable[[RetriableError], None]) -> Result:
        """Returns the call's result, or raises its last RetriableError; anything else at once."""
        deadline = self.clock.monotonic() + self.seconds
        for attempt in itertools.count():
            try:
                return call()
            except RetriableError as error:
                after_failure(error)
                delay = self._delay(attempt)
                if self.clock.monotonic() + delay >= deadline or self.pause(delay):
                    raise
        raise AssertionError("a call ends or raises")

    def _delay(self, attempt: int) -> float:
        longest = min(_FIRST_DELAY_SECONDS * 2.0 ** min(attempt, 10), _MAX_DELAY_SECONDS)
        return longest * (0.5 + self.draw() / 2)


class Requests:
    """Asks the models of a server. Thread-safe."""

    def __init__(
        self,
        server: ModelServer,
        models: ServedModels,
        patience: Patience,
        *,
        timeout_seconds: float,
        observer: RequestObserver,
    ) -> None:
        self._server = server
        self._models = models
        self._patience = patience
        self._timeout_seconds = timeout_seconds
        self._observer = observer
        self._ids = itertools.count(1)

    def ask(self, tower: Tower, batch: Batch) -> Floats:
        """Returns (n, dim) float32 for a batch.

        Raises ModelError if the model refuses it, RetriableError once patience is at an end, and
        ConfigurationError for an answer that is not the model's.
        """
        return self._patience.run(lambda: self._ask_once(tower, batch), self._after_failure)

    def patiently(self, call: Callable[[], Result]) -> Result:
        """Returns what another question to the server gives, tried again like a request."""
        return self._patience.run(call, self._after_failure)

    def _ask_once(self, tower: Tower, batch: Batch) -> Floats:
        name, request_id = self._models.name(tower), f"{threading.get_ident():x}-{next(self._ids)}"
        with self._measured(tower, len(batch)):
            self._models.facts(tower)  # after a failure it may be another server (F4)
            answer = self._server.infer(
                name, batch, request_id=request_id, timeout_seconds=self._timeout_seconds
            )
            return checked_rows(answer, name, request_id, len(batch))

    def _after_failure(self, error: RetriableError) -> None:
        self._models.forget()
        if isinstance(error, ServerSlowError) and not self._is_there():
            self._server.reconnect()  # a peer that vanished without a word is never noticed otherwise

    def _is_there(self) -> bool:
        try:
            self._models.ping()
        except RetriableError:
            return False
        return True

    @contextmanager
    def _measured(self, tower: Tower, rows: int) -> Iterator[None]:
        started = self._patience.clock.monotonic()
        ending: RequestEnding = "answered"
        try:
            yield
        except PairmillError as error:
            ending = _ending_of(error)
            raise
        finally:
            self._observer.requested(tower, rows, self._patience.clock.monotonic() - started, ending)


def _ending_of(error: PairmillError) -> RequestEnding:
    match error:
        case ServerBusyError():
            return "busy"
        case ServerSlowError():
            return "slow"
        case RetriableError():
            return "away"
        case ModelError():
            return "refused"
        case _:
            return "wrong"


def checked_rows(answer: Answer, model: str, request_id: str, rows: int) -> Floats:
    """Returns an answer's rows as float32.

    Raises ConfigurationError for an answer to something else (F8) or of a form that no batch explains (F4),
    ModelError for too few or too many rows, and for rows that are neither of unit length nor without any.
    """
    if (answer.model, answer.request_id) != (model, request_id):
        raise ConfigurationError(
            f"triton: asked {model} with request {request_id}, {answer.model} answered "
            f"{answer.request_id or 'none'}; what stands between must not mix answers"
        )
    values = values_of(answer)
    if values is None or values.ndim != 2:
        raise ConfigurationError(
            f"triton: {model} answers {answer.data_type or 'no embedding'} {list(answer.shape)} in "
            f"{len(answer.data)} bytes; rows of FP32 or FP16 are wanted"
        )
    if len(values) != rows:
        raise ModelError(f"triton: {model}: {len(values)} rows came back for {rows}")
    vectors = values.astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1)
    odd = np.isfinite(lengths) & (lengths > _NO_LENGTH) & (np.abs(lengths - 1) > MAX_NORM_ERROR)
    if odd.any():
        raise ModelError(f"triton: {model}: a row has length {lengths[odd][0]:.3g}, unit length is wanted")
    return vectors
