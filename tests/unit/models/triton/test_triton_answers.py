"""What the Triton embedder does with answers that are none, and with a server that holds another model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pairmill.errors import ConfigurationError
from pairmill_models.bundle import Bundle
from pairmill_models.embedder import ModelError
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.triton_config import triton_model_name
from pairmill_models.triton_embedder import TritonEmbedder
from pairmill_models.triton_port import (
    Answer,
    Batch,
    ServerAwayError,
)
from tests.fakes.model_server import FakeModelServer, with_rows
from tests.fakes.onnx_bundle import DIMENSIONS
from tests.fakes.triton_embedders import holds, numbers, pictures, times

# F4, F8: answers that are none


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda answer: replace(answer, data_type="FP64"), "FP64"),
        (lambda answer: replace(answer, data_type=""), "no embedding"),
        (lambda answer: replace(answer, data=answer.data[:-4]), "bytes"),
        (lambda answer: replace(answer, data=b"", shape=(0,)), "rows of FP32"),
        (lambda answer: replace(answer, shape=(-1, DIMENSIONS)), "rows of FP32"),
        (lambda answer: replace(answer, shape=(len(answer.data) // 4,)), "rows of FP32"),
        (lambda answer: replace(answer, model="other"), "other answered"),
        (lambda answer: replace(answer, request_id="7"), "answered 7"),
        (lambda answer: replace(answer, request_id=""), "answered none"),
    ],
    ids=["type", "name", "short", "empty", "negative", "flat", "model", "id", "no-id"],
)
def test_f4_f8_an_answer_to_something_else_stops_the_stage(
    server: FakeModelServer, embedder: TritonEmbedder, spoil: Callable[[Answer], Answer], message: str
) -> None:
    server.spoil = spoil
    with pytest.raises(ConfigurationError, match=message):
        embedder.embed_images(pictures(4))


def test_f4_rows_that_are_missing_make_the_batch_suspect(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    server.spoil = lambda answer: with_rows(answer, numbers(answer)[:-1])
    with pytest.raises(ModelError, match="3 rows came back for 4"):
        embedder.embed_images(pictures(4))


def test_f4_rows_of_another_length_make_the_batch_suspect(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    server.spoil = lambda answer: with_rows(answer, numbers(answer) * np.float32(1.5))
    with pytest.raises(ModelError, match=r"length 1\.5"):
        embedder.embed_images(pictures(4))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_e15_rows_without_direction_are_handed_on(
    server: FakeModelServer, embedder: TritonEmbedder, value: float
) -> None:
    def spoil(answer: Answer) -> Answer:
        rows = numbers(answer)
        rows[1] = value
        return with_rows(answer, rows)

    server.spoil = spoil
    answer = embedder.embed_images(pictures(4))
    assert not np.isclose(np.linalg.norm(answer[1]), 1)
    assert np.allclose(np.linalg.norm(answer[[0, 2, 3]], axis=1), 1, atol=1e-4)


def test_f8_answers_that_come_in_another_order_stand_at_their_rows(
    server: FakeModelServer, embedder: TritonEmbedder, here: OnnxEmbedder
) -> None:
    """The first of three requests is answered last."""
    others = threading.Semaphore(0)
    first = holds(pictures(12)[0])

    def wait(_model: str, batch: Batch) -> None:
        if first(batch):
            for _ in range(2):
                assert others.acquire(timeout=30)
        else:
            others.release()

    server.before_infer = wait
    answer = embedder.embed_images(pictures(12))
    assert np.allclose(answer, here.embed_images(pictures(12)), atol=1e-5)


# F6: another model


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {"pairmill_bundle_digest": "ff" * 32}}, "the server holds bundle ffff"),
        ({"parameters": {}}, "bundle none"),
        ({"input_type": "FP32"}, "its input is"),
        ({"input_shape": (9, 9, 3)}, "its input is"),
        ({"output_shape": (8,)}, "its output is"),
        ({"output_type": "FP64"}, "its output is FP64"),
        ({"max_batch": 0}, "no batches"),
    ],
    ids=["digest", "foreign", "input-type", "input-shape", "width", "output-type", "batches"],
)
def test_f4_f6_a_model_that_is_not_the_bundle_s_is_not_asked(
    bundle: Bundle,
    server: FakeModelServer,
    embedder: TritonEmbedder,
    change: dict[str, Any],
    message: str,
) -> None:
    name = triton_model_name(bundle, "image")
    server.held[name] = replace(server.held[name], **change)
    with pytest.raises(ConfigurationError, match=message):
        embedder.embed_images(pictures(4))
    assert server.asked("infer") == []


def test_f6_answers_before_a_change_are_not_given_out(
    bundle: Bundle, server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    """The model is exchanged between the last answer and the question whether it is still the same."""
    embedder.embed_images(pictures(4))
    name = triton_model_name(bundle, "image")

    def exchange(answer: Answer) -> Answer:
        parameters = {"pairmill_bundle_digest": "ee" * 32, "pairmill_model_version": "r2+eeeeeeeeeeee"}
        server.held[name] = replace(server.held[name], parameters=parameters)
        return answer

    server.spoil = exchange
    with pytest.raises(ConfigurationError, match="the server holds bundle eeee"):
        embedder.embed_images(pictures(4))
    assert embedder.model_version == "r2+eeeeeeeeeeee"


def test_f6_the_right_model_is_taken_again(
    bundle: Bundle, server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    name = triton_model_name(bundle, "image")
    right = server.held[name]
    server.held[name] = replace(right, parameters={})
    with pytest.raises(ConfigurationError):
        embedder.embed_images(pictures(4))
    server.held[name] = right
    assert embedder.embed_images(pictures(4)).shape == (4, DIMENSIONS)
    assert embedder.model_version == bundle.model_version


def test_f4_after_a_failure_the_server_is_asked_anew_what_it_holds(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    embedder.embed_images(pictures(4))
    before = len(server.asked("facts"))
    server.before_infer = times(1, lambda: ServerAwayError("it restarts"))
    embedder.embed_images(pictures(4))
    kinds = [call for call, _ in server.calls]
    assert len(server.asked("facts")) == before + 2
    assert kinds[-4:] == ["infer", "facts", "infer", "facts"]
