"""What the Triton embedder does with a server that is away, full or slow, or that refuses a batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from pairmill.errors import ConfigurationError, PairmillError, RetriableError
from pairmill_models.bundle import Bundle
from pairmill_models.embedder import ModelError
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.triton_embedder import STRIKES, TritonEmbedder
from pairmill_models.triton_port import (
    Batch,
    RequestEnding,
    ServerAwayError,
    ServerBusyError,
    ServerSlowError,
)
from tests.contract.embedder_contract import EmbedderContract
from tests.fakes.clock import ManualClock
from tests.fakes.model_server import FakeModelServer, fake_model_server, with_rows
from tests.fakes.onnx_bundle import DIMENSIONS
from tests.fakes.triton_embedders import CONFIG, holds, make, numbers, pictures, times

TEXTS = [f"text {number} " + "long " * (number % 5) for number in range(10)]


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
