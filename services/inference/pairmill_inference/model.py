"""The model as the embed unit uses it: held to one version and width, and asked in batches.

A batch that the model refuses is halved until the culprit stands alone, so that one bad row fails alone
(F3, F5). An answer of another width, type or version is no row's fault: it stops the stage, since a shard
must never mix models (F4).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from pairmill.errors import ConfigurationError
from pairmill_inference.pairs import Pixels
from pairmill_inference.vectors import Floats
from pairmill_models.embedder import Embedder, ModelError

Tower = Literal["image", "text"]


class InferenceObserver(Protocol):
    """Takes measures of calls to the model. Thread-safe."""

    def called(self, tower: Tower, rows: int, seconds: float) -> None:
        """A tower answered for so many rows after that many seconds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a tower gave for n rows."""

    vectors: Floats  # (n, dim), zeros where there is an error
    errors: Mapping[int, str]  # by row


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedModel:
    """An embedder that must stay what it was when the job pinned it. As thread-safe as the embedder."""

    embedder: Embedder
    name: str  # written into every row (F6)
    version: str  # written into every row
    dimensions: int
    observer: InferenceObserver | None = None

    def embed_images(self, images: Pixels) -> Answers:
        """Returns the image tower's answers for (n, size, size, 3) RGB."""
        return self._ask("image", len(images), lambda rows: self.embedder.embed_images(images[rows]))

    def embed_texts(self, texts: Sequence[str]) -> Answers:
        """Returns the text tower's answers."""
        return self._ask("text", len(texts), lambda rows: self.embedder.embed_texts(texts[rows]))

    def _ask(self, tower: Tower, rows: int, call: Callable[[slice], Floats]) -> Answers:
        started = time.perf_counter()
        asking = _Asking(call=call, vectors=np.zeros((rows, self.dimensions), dtype=np.float32))
        asking.ask(0, rows)
        if self.embedder.model_version != self.version:
            raise ConfigurationError(
                f"bundle: the model is now {self.embedder.model_version}, the job is pinned to {self.version}"
            )
        if self.observer is not None:
            self.observer.called(tower, rows, time.perf_counter() - started)
        return Answers(vectors=asking.vectors, errors=asking.errors)


@dataclass(slots=True, kw_only=True)
class _Asking:
    """One batch on its way through a tower."""

    call: Callable[[slice], Floats]
    vectors: Floats
    errors: dict[int, str] = field(default_factory=dict)

    def ask(self, start: int, stop: int) -> None:
        """Fills in the rows from `start` to `stop`, halving whatever the model refuses."""
        if start == stop:
            return
        try:
            answer = self.call(slice(start, stop))
            self._check_width(answer)
            if len(answer) != stop - start:
                raise ModelError(f"{len(answer)} rows came back for {stop - start}")
        except (ModelError, MemoryError) as error:
            if stop - start == 1:
                self.errors[start] = str(error) or type(error).__name__
                return
            middle = (start + stop) // 2
            self.ask(start, middle)
            self.ask(middle, stop)
            return
        self.vectors[start:stop] = answer

    def _check_width(self, answer: Floats) -> None:
        dimensions = self.vectors.shape[1]
        if answer.ndim != 2 or answer.shape[1] != dimensions or answer.dtype != np.float32:
            raise ConfigurationError(
                f"bundle: the model answers {answer.dtype} {answer.shape}, "
                f"rows of {dimensions} float32 are wanted"
            )
