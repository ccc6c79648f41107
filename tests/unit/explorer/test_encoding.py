"""Queries that come at once go to the model together, and a bad one fails alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pytest

from pairmill.errors import RetriableError
from pairmill_explorer.encoding.batches import Batches
from pairmill_models.embedder import ModelError
from tests.fakes.processes import wait_until

Vectors = npt.NDArray[np.float32]


class Model:
    """Gives a text's length; waits at the first batch until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Event()

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        if len(self.batches) == 1:
            assert self.go.wait(30)
        if "bad" in texts:
            raise ModelError("the model refuses it")
        return np.array([[len(text)] for text in texts], dtype=np.float32)


@contextmanager
def batching(model: Model, *, patience_seconds: float = 30) -> Iterator[Batches[str]]:
    batches: Batches[str] = Batches(model.embed, name="test", most=4, patience_seconds=patience_seconds)
    try:
        yield batches
    finally:
        model.go.set()
        batches.close()


def test_what_comes_while_the_model_is_at_work_goes_together() -> None:
    model = Model()
    with batching(model) as batches, ThreadPoolExecutor(8) as threads:
        first = threads.submit(batches.ask, "x")
        wait_until(lambda: model.batches == [["x"]])
        others = [threads.submit(batches.ask, "x" * length) for length in range(2, 8)]
        wait_until(lambda: batches.waiting == 6)
        model.go.set()
        assert [float(future.result()[0]) for future in [first, *others]] == [1, 2, 3, 4, 5, 6, 7]
    assert [len(batch) for batch in model.batches] == [1, 4, 2]


def test_a_text_that_the_model_refuses_fails_alone_f3() -> None:
    model = Model()
    with batching(model) as batches, ThreadPoolExecutor(8) as threads:
        first = threads.submit(batches.ask, "x")
        wait_until(lambda: bool(model.batches))
        others = [threads.submit(batches.ask, text) for text in ("a", "bad", "ccc")]
        wait_until(lambda: batches.waiting == 3)
        model.go.set()
        assert float(first.result()[0]) == 1
        assert [float(others[place].result()[0]) for place in (0, 2)] == [1, 3]
        with pytest.raises(ModelError):
            others[1].result()


def test_a_model_that_is_away_fails_all_that_ask_and_is_asked_again() -> None:
    answers: list[Exception | None] = [RetriableError("triton is away"), None]

    def embed(texts: Sequence[str]) -> Vectors:
        if (error := answers.pop(0)) is not None:
            raise error
        return np.ones((len(texts), 1), dtype=np.float32)

    batches: Batches[str] = Batches(embed, name="test")
    with pytest.raises(RetriableError, match="away"):
        batches.ask("a")
    assert float(batches.ask("a")[0]) == 1
    batches.close()


def test_nobody_waits_for_ever_for_a_model_that_hangs() -> None:
    model = Model()
    with (
        batching(model, patience_seconds=0.05) as batches,
        pytest.raises(RetriableError, match="did not answer"),
    ):
        batches.ask("x")


def test_after_its_end_nothing_is_asked() -> None:
    model = Model()
    with batching(model) as batches:
        pass
    with pytest.raises(RetriableError, match="closing"):
        batches.ask("x")
