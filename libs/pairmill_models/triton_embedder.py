"""Both towers of a bundle in a Triton Inference Server."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Final

import numpy as np

from pairmill.clock import Clock, SystemClock
from pairmill.errors import ConfigurationError
from pairmill_models.bundle import Bundle, Tower
from pairmill_models.check import MAX_DIFFERENCE
from pairmill_models.embedder import Floats, ModelError, Pixels
from pairmill_models.known import KnownAnswers
from pairmill_models.text_batches import TextBatches, in_order
from pairmill_models.triton_models import ServedModels
from pairmill_models.triton_port import (
    Batch,
    ModelServer,
    NoRequestObserver,
    RequestObserver,
    ServerAwayError,
    ServerSlowError,
)
from pairmill_models.triton_requests import Patience, Requests
from pairmill_models.triton_settings import TritonConfig

STRIKES: Final = 3
"""So often a row alone has to be refused, while the model answers known input, before it is blamed: a batch
that other clients' rows were joined to may fail for theirs."""

_PING_SECONDS: Final = 5.0


class TritonEmbedder:
    """A bundle's model in a server that holds it. Thread-safe.

    Answers are given out only after the server has said that it still holds the bundle (F6). Where the model
    refuses a row alone, or a batch takes too long, it has to answer known input before that counts against
    the batch: an outage is not the rows' fault (U15).
    """

    def __init__(
        self,
        bundle: Bundle,
        server: ModelServer,
        config: TritonConfig,
        *,
        observer: RequestObserver | None = None,
        clock: Clock | None = None,
        pause: Callable[[float], bool] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Reads the bundle's known answers and asks nothing yet.

        `pause` waits and returns True if there is no use in going on; by default until the embedder is
        closed. Raises ConfigurationError for a bundle without known answers.
        """
        if bundle.card.known is None:
            raise ConfigurationError(f"bundle: {bundle.folder}: it holds no known answers; export it again")
        self._bundle = bundle
        self._server = server
        self._config = config
        self._closed = threading.Event()
        self._known = KnownAnswers.load(bundle.path(bundle.card.known))
        self._batches = TextBatches(
            bundle, most_texts=config.text_batch, most_tokens=config.text_batch_tokens
        )
        self._models = ServedModels(bundle, server, timeout_seconds=_PING_SECONDS)
        patience = Patience(
            seconds=config.patience_seconds,
            clock=clock or SystemClock(),
            pause=pause or self._closed.wait,
            draw=draw,
        )
        self._requests = Requests(
            server,
            self._models,
            patience,
            timeout_seconds=config.request_timeout_seconds,
            observer=observer or NoRequestObserver(),
        )
        self._pool = ThreadPoolExecutor(config.requests_in_flight, thread_name_prefix="triton")

    @property
    def dimensions(self) -> int:
        """Width of the embeddings."""
        return self._bundle.dimensions

    @property
    def image_size(self) -> int:
        """Side of the pictures."""
        return self._bundle.image_size

    @property
    def model_version(self) -> str:
        """What the server says it holds."""
        return self._models.version

    def embed_images(self, images: Pixels) -> Floats:
        """Returns (n, dim) float32, rows of unit length, for (n, size, size, 3) uint8 RGB."""
        return self._fairly("image", len(images), lambda: self._embed_images(images))

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Returns (n, dim) float32, rows of unit length."""
        return self._fairly("text", len(texts), lambda: self._embed_texts(texts))

    def ping(self) -> None:
        """Raises RetriableError, saying why, while the server cannot be asked for both towers."""
        self._models.ping()

    def close(self) -> None:
        """Ends calls under way and drops the connection."""
        self._closed.set()
        self._server.close()
        self._pool.shutdown(cancel_futures=True)

    def _embed_images(self, images: Pixels) -> Floats:
        rows = self._most_rows("image", self._config.image_batch)
        batches = [images[start : start + rows] for start in range(0, len(images), rows)]
        return np.concatenate(self._ask_all("image", batches))

    def _embed_texts(self, texts: Sequence[str]) -> Floats:
        rows = self._most_rows("text", self._config.text_batch)
        batches = self._batches.cut(texts, most_texts=rows)
        answers = self._ask_all("text", [batch.tokens for batch in batches])
        return in_order(batches, answers, self.dimensions)

    def _most_rows(self, tower: Tower, wanted: int) -> int:
        facts = self._requests.patiently(lambda: self._models.facts(tower))
        return min(wanted, facts.max_batch)

    def _ask_all(self, tower: Tower, batches: Sequence[Batch]) -> list[Floats]:
        """Returns the answers in the batches' order, whatever order they come in (F8)."""
        futures: list[Future[Floats]] = []
        try:
            futures += [self._pool.submit(self._requests.ask, tower, batch) for batch in batches]
            return [future.result() for future in futures]
        except (CancelledError, RuntimeError) as error:  # the pool's words for its end
            if not self._closed.is_set():
                raise
            raise ServerAwayError("triton: the embedder is closed") from error
        finally:
            for future in futures:
                future.cancel()

    def _fairly(self, tower: Tower, rows: int, embed: Callable[[], Floats]) -> Floats:
        """Returns what `embed` does; raises ModelError only where the batch is to blame."""
        if not rows:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        for strike in range(1, STRIKES + 1):
            try:
                answer = embed()
            except ServerSlowError as error:
                self._check_known(tower, error)
                if rows > 1 or strike == STRIKES:
                    raise ModelError(f"it takes too long: {error}") from error
            except ModelError as error:
                if rows > 1:
                    raise
                self._check_known(tower, error)
                if strike == STRIKES:
                    raise
            else:
                self._requests.patiently(lambda: self._models.confirm(tower))
                return answer
        raise AssertionError("the last strike raises")

    def _check_known(self, tower: Tower, error: Exception) -> None:
        """Raises unless the model answers something known as it should: then the error is the model's."""
        try:
            if tower == "image":
                found, known = self._embed_images(self._known.images[:1]), self._known.image_embeddings
            else:
                found, known = self._embed_texts(self._known.texts[:1]), self._known.text_embeddings
        except ModelError as refusal:
            raise ServerAwayError(f"triton: the {tower} model refuses known input: {refusal}") from error
        difference = float(np.abs(found - known[:1]).max())
        if not difference <= MAX_DIFFERENCE:
            raise ConfigurationError(
                f"triton: the {tower} model is off its known answers by {difference:.2g}"
            ) from error
