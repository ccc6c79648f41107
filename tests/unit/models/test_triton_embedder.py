"""What the Triton embedder does with a server that is away, full, slow, wrong, or that changes its model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pairmill.errors import ConfigurationError, PairmillError, RetriableError
from pairmill_models.bundle import Bundle
from pairmill_models.embedder import Floats, ModelError, Pixels
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.triton_config import triton_model_name
from pairmill_models.triton_embedder import STRIKES, TritonEmbedder
from pairmill_models.triton_port import (
    Answer,
    Batch,
    RequestEnding,
    ServerAwayError,
    ServerBusyError,
    ServerSlowError,
    values_of,
)
from pairmill_models.triton_settings import TritonConfig
from tests.contract.embedder_contract import EmbedderContract
from tests.fakes.clock import ManualClock
from tests.fakes.model_server import FakeModelServer, fake_model_server, with_rows
from tests.fakes.onnx_bundle import DIMENSIONS, IMAGE_SIZE, random_bundle

CONFIG = TritonConfig(image_batch=4, text_batch=4, request_timeout_seconds=20, patience_seconds=60)
TEXTS = [f"text {number} " + "long " * (number % 5) for number in range(10)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def here(bundle: Bundle) -> OnnxEmbedder:
    return OnnxEmbedder(bundle)


@pytest.fixture
def server(bundle: Bundle) -> FakeModelServer:
    return fake_model_server(bundle)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def embedder(bundle: Bundle, server: FakeModelServer, clock: ManualClock) -> Iterator[TritonEmbedder]:
    embedder = make(bundle, server, clock)
    yield embedder
    embedder.close()


def make(
    bundle: Bundle, server: FakeModelServer, clock: ManualClock, config: TritonConfig = CONFIG, **more: Any
) -> TritonEmbedder:
    def pause(seconds: float) -> bool:
        clock.sleep(seconds)
        return False

    return TritonEmbedder(bundle, server, config, clock=clock, pause=pause, draw=lambda: 1.0, **more)


def pictures(count: int = 10) -> Pixels:
    return np.random.default_rng(5).integers(0, 256, (count, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)


def times(count: int, error: Callable[[], Exception]) -> Callable[[str, Batch], None]:
    """Raises so often, then no more."""
    left = [count]
    lock = threading.Lock()

    def hook(_model: str, _batch: Batch) -> None:
        with lock:
            left[0] -= 1
            if left[0] >= 0:
                raise error()

    return hook


def holds(row: Any) -> Callable[[Batch], bool]:
    """Whether a batch has a row among its own."""
    return lambda batch: bool((batch == row).reshape(len(batch), -1).all(axis=1).any())


class TestOverAFakeServer(EmbedderContract):
    @pytest.fixture
    def embedder(self, bundle: Bundle, server: FakeModelServer) -> Iterator[TritonEmbedder]:
        embedder = TritonEmbedder(bundle, server, CONFIG)
        yield embedder
        embedder.close()


def test_batches_are_no_larger_than_asked_for_and_than_the_model_takes(
    bundle: Bundle, clock: ManualClock
) -> None:
    small = fake_model_server(bundle, max_batch=3)
    for server, most in ((fake_model_server(bundle), 4), (small, 3)):
        embedder = make(bundle, server, clock)
        embedder.embed_images(pictures())
        embedder.embed_texts(TEXTS)
        embedder.close()
        assert sum(server.asked("infer")) == 20
        assert max(server.asked("infer")) == most


def test_no_more_requests_are_under_way_than_allowed(
    bundle: Bundle, server: FakeModelServer, clock: ManualClock
) -> None:
    pair = threading.Barrier(2)

    def meet(_model: str, _batch: Batch) -> None:
        pair.wait(30)

    server.before_infer = meet
    embedder = make(bundle, server, clock, replace(CONFIG, image_batch=1, requests_in_flight=2))
    embedder.embed_images(pictures(10))
    embedder.close()
    assert server.most_at_once == 2


def test_half_precision_is_taken_too(
    server: FakeModelServer, embedder: TritonEmbedder, here: OnnxEmbedder
) -> None:
    server.spoil = lambda answer: with_rows(answer, numbers(answer).astype(np.float16))
    answer = embedder.embed_images(pictures())
    assert answer.dtype == np.float32
    assert np.allclose(answer, here.embed_images(pictures()), atol=1e-3)


def numbers(answer: Answer) -> Floats:
    values = values_of(answer)
    assert values is not None
    return values.copy()


# F1, F2, F3: away, slow, full


@pytest.mark.parametrize("error", [ServerAwayError, ServerBusyError, ServerSlowError])
def test_f1_f2_f3_what_waiting_helps_is_tried_again(
    server: FakeModelServer, embedder: TritonEmbedder, here: OnnxEmbedder, error: type[RetriableError]
) -> None:
    server.before_infer = times(3, lambda: error("not now"))
    assert np.allclose(embedder.embed_images(pictures()), here.embed_images(pictures()), atol=1e-5)


def test_f1_a_server_that_stays_away_pauses_the_stage(
    server: FakeModelServer, embedder: TritonEmbedder, clock: ManualClock
) -> None:
    server.before_infer = times(10**6, lambda: ServerAwayError("connection refused"))
    with pytest.raises(RetriableError, match="connection refused"):
        embedder.embed_images(pictures(4))
    assert 50 < clock.monotonic() <= 60
    assert len(server.asked("infer")) < 25


def test_f1_delays_grow_and_differ(bundle: Bundle, server: FakeModelServer, clock: ManualClock) -> None:
    delays: list[float] = []

    def pause(seconds: float) -> bool:
        delays.append(seconds)
        clock.sleep(seconds)
        return False

    draws = iter([0.0, 1.0] * 50)
    server.before_infer = times(10**6, lambda: ServerAwayError("away"))
    embedder = TritonEmbedder(bundle, server, CONFIG, clock=clock, pause=pause, draw=lambda: next(draws))
    with pytest.raises(ServerAwayError):
        embedder.embed_images(pictures(4))
    embedder.close()
    assert delays[:4] == pytest.approx([0.05, 0.2, 0.2, 0.8])
    assert max(delays) == 5.0


def test_f1_a_server_that_is_away_from_the_start_is_nobody_s_fault(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    def away(model: str) -> None:
        raise ServerAwayError(f"{model} is not there")

    server.before_facts = server.before_ping = away
    with pytest.raises(RetriableError, match="is not there"):
        embedder.embed_texts(TEXTS)
    with pytest.raises(RetriableError, match="is not there"):
        embedder.embed_images(pictures())
    with pytest.raises(RetriableError, match="is not there"):
        embedder.ping()


def test_f1_a_ping_asks_for_both_towers(server: FakeModelServer, embedder: TritonEmbedder) -> None:
    embedder.ping()
    assert len(server.asked("ping")) == 2


def test_f2_a_peer_that_vanished_gets_a_new_connection(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    def gone(model: str) -> None:
        raise ServerSlowError(f"{model} does not answer")

    server.before_infer = times(1, lambda: ServerSlowError("no answer"))
    server.before_ping = gone
    embedder.embed_images(pictures(4))
    assert server.connections == 2


def test_f2_a_server_that_is_only_slow_keeps_its_connection(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    server.before_infer = times(1, lambda: ServerSlowError("no answer"))
    embedder.embed_images(pictures(4))
    assert server.connections == 1


def test_f2_a_batch_that_always_takes_too_long_is_to_be_halved(
    bundle: Bundle, server: FakeModelServer, embedder: TritonEmbedder, clock: ManualClock
) -> None:
    def slow(_model: str, batch: Batch) -> None:
        if len(batch) > 2:
            clock.sleep(20)
            raise ServerSlowError("no answer in 20 s")

    server.before_infer = slow
    with pytest.raises(ModelError, match="takes too long"):
        embedder.embed_images(pictures(4))
    assert embedder.embed_images(pictures(2)).shape == (2, DIMENSIONS)


def test_f2_a_server_that_hangs_for_all_is_no_batch_s_fault(
    server: FakeModelServer, embedder: TritonEmbedder, clock: ManualClock
) -> None:
    def hang(_model: str, _batch: Batch) -> None:
        clock.sleep(20)
        raise ServerSlowError("no answer in 20 s")

    server.before_infer = hang
    for rows in (1, 4):
        with pytest.raises(RetriableError):
            embedder.embed_images(pictures(rows))


def test_f3_a_batch_that_is_refused_is_to_be_halved(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    server.before_infer = times(1, lambda: ModelError("out of memory"))
    with pytest.raises(ModelError, match="out of memory"):
        embedder.embed_images(pictures(4))
    assert server.asked("infer") == [4]


# F5: one row


def test_f5_a_row_that_is_refused_alone_is_blamed_once_known_input_is_answered(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    culprit = holds(pictures()[3])

    def refuse(_model: str, batch: Batch) -> None:
        if culprit(batch):
            raise ModelError("no such picture")

    server.before_infer = refuse
    with pytest.raises(ModelError, match="no such picture"):
        embedder.embed_images(pictures()[3:4])
    assert len(server.asked("infer")) == 2 * STRIKES
    assert embedder.embed_images(pictures()[:3]).shape == (3, DIMENSIONS)


def test_f5_a_row_that_failed_for_its_neighbours_is_answered_the_next_time(
    server: FakeModelServer, embedder: TritonEmbedder, here: OnnxEmbedder
) -> None:
    server.before_infer = times(1, lambda: ModelError("joined with a bad one"))
    answer = embedder.embed_texts(TEXTS[:1])
    assert np.allclose(answer, here.embed_texts(TEXTS[:1]), atol=1e-5)


def test_f5_a_model_that_refuses_everything_blames_no_row(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    server.before_infer = times(10**6, lambda: ModelError("the device is lost"))
    with pytest.raises(RetriableError, match=r"refuses known input.*the device is lost"):
        embedder.embed_images(pictures(1))
    with pytest.raises(RetriableError, match=r"refuses known input.*the device is lost"):
        embedder.embed_texts(TEXTS[:1])


def test_f5_a_model_that_answers_known_input_otherwise_stops_the_stage(
    server: FakeModelServer, embedder: TritonEmbedder
) -> None:
    server.before_infer = times(1, lambda: ModelError("refused"))
    server.spoil = lambda answer: with_rows(answer, np.roll(numbers(answer), 1, axis=1))
    with pytest.raises(ConfigurationError, match="known answers"):
        embedder.embed_images(pictures(1))


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


# The end


def test_closing_ends_calls_that_wait(bundle: Bundle, server: FakeModelServer) -> None:
    asked = threading.Event()

    def away(_model: str, _batch: Batch) -> None:
        asked.set()
        raise ServerAwayError("away")

    server.before_infer = away
    embedder = TritonEmbedder(bundle, server, replace(CONFIG, patience_seconds=3600))
    raised: list[PairmillError] = []

    def work() -> None:
        try:
            embedder.embed_images(pictures())
        except PairmillError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert asked.wait(30)
    embedder.close()
    thread.join(30)
    assert not thread.is_alive()
    assert isinstance(raised[0], RetriableError)
    assert server.closed
    with pytest.raises(RetriableError, match="closed"):
        embedder.embed_images(pictures())


def test_a_bundle_without_known_answers_is_refused(bundle: Bundle, server: FakeModelServer) -> None:
    silent = replace(bundle, card=replace(bundle.card, known=None))
    with pytest.raises(ConfigurationError, match="no known answers"):
        TritonEmbedder(silent, server, CONFIG)


def test_every_request_is_measured_by_how_it_ended(
    bundle: Bundle, server: FakeModelServer, clock: ManualClock
) -> None:
    class Measures:
        def __init__(self) -> None:
            self.seen: list[tuple[str, int, str]] = []

        def requested(self, tower: str, rows: int, seconds: float, ending: RequestEnding) -> None:
            assert seconds >= 0
            self.seen.append((tower, rows, ending))

    measures = Measures()
    embedder = make(bundle, server, clock, observer=measures)
    errors = iter([ServerAwayError, ServerBusyError, ServerSlowError, None, ModelError, ConfigurationError])

    def hook(_model: str, _batch: Batch) -> None:
        error = next(errors)
        if error is not None:
            raise error("x")

    server.before_infer = hook
    embedder.embed_images(pictures(3))
    with pytest.raises(ModelError):
        embedder.embed_images(pictures(3))
    with pytest.raises(ConfigurationError):
        embedder.embed_images(pictures(3))
    embedder.close()
    endings = ["away", "busy", "slow", "answered", "refused", "wrong"]
    assert measures.seen == [("image", 3, ending) for ending in endings]
