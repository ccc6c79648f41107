"""Queries that are asked at once go to the model together.

One thread asks; whatever came while the model was at work goes with the next batch. So a single query waits
for nobody, and the more there are at once the larger the batches become.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from pairmill.errors import RetriableError
from pairmill_models.embedder import ModelError

Item = TypeVar("Item")
Vector: TypeAlias = npt.NDArray[np.float32]

_MOST_WAITING: Final = 256
_END_SECONDS: Final = 10.0


class Batches(Generic[Item]):
    """Asks a tower in batches, in a thread of its own. Thread-safe."""

    def __init__(
        self,
        embed: Callable[[Sequence[Item]], Vector],
        *,
        name: str,
        most: int = 16,
        patience_seconds: float = 20.0,
    ) -> None:
        """`embed` returns `(n, dimensions)` for n items; at most `most` are asked at once."""
        self._embed = embed
        self._most = most
        self._patience = patience_seconds
        self._waiting: queue.Queue[tuple[Item, Future[Vector]] | None] = queue.Queue(_MOST_WAITING)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask(self, item: Item) -> Vector:
        """Returns an item's vector, `(dimensions,)`.

        Raises ModelError where the model refuses it, RetriableError while it is away or too much waits.
        """
        future: Future[Vector] = Future()
        if self._closed.is_set():
            raise RetriableError("the explorer is closing")
        try:
            self._waiting.put_nowait((item, future))
        except queue.Full as error:
            raise RetriableError("too many queries wait for the model; try again soon") from error
        try:
            return future.result(self._patience)
        except TimeoutError as error:
            raise RetriableError(f"the model did not answer within {self._patience:g} s") from error

    @property
    def waiting(self) -> int:
        """How many wait for the next batch."""
        return self._waiting.qsize()

    def close(self) -> None:
        """Ends the thread; what waits is refused."""
        self._closed.set()
        while self._thread.is_alive():
            try:
                self._waiting.put(None, timeout=0.1)
            except queue.Full:
                continue
            self._thread.join(_END_SECONDS)
            break

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            try:
                self._answer(batch)
            except Exception as error:  # noqa: BLE001 - handed to those who asked
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)

    def _next(self) -> list[tuple[Item, Future[Vector]]] | None:
        """Returns what waits, at least one; None once it is to end."""
        batch: list[tuple[Item, Future[Vector]]] = []
        while len(batch) < self._most:
            try:
                found = self._waiting.get(block=not batch)
            except queue.Empty:
                break
            if found is None:
                for _, future in batch:
                    future.set_exception(RetriableError("the explorer is closing"))
                return None
            batch.append(found)
        return batch

    def _answer(self, batch: Sequence[tuple[Item, Future[Vector]]]) -> None:
        """Answers a batch; of one that is refused each alone, so that a bad one fails alone."""
        try:
            vectors = self._embed([item for item, _ in batch])
        except ModelError:
            if len(batch) == 1:
                raise
            for one in batch:
                self._alone(one)
            return
        for (_, future), vector in zip(batch, vectors, strict=True):
            future.set_result(vector)

    def _alone(self, one: tuple[Item, Future[Vector]]) -> None:
        item, future = one
        try:
            future.set_result(self._embed([item])[0])
        except ModelError as error:
            future.set_exception(error)
