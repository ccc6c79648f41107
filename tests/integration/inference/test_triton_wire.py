"""The Triton client over a connection to a stub: late, foreign and broken answers, TLS, tokens, sizes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import trustme

from pairmill.errors import ConfigurationError, PairmillError, RetriableError
from pairmill_models.bundle import Bundle
from pairmill_models.embedder import ModelError, Pixels
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.triton_client import TritonClient
from pairmill_models.triton_config import triton_model_name
from pairmill_models.triton_embedder import TritonEmbedder
from pairmill_models.triton_port import ServerAwayError, ServerSlowError
from pairmill_models.triton_settings import TritonConfig
from tests.fakes.onnx_bundle import DIMENSIONS, IMAGE_SIZE, random_bundle
from tests.fakes.processes import wait_until
from tests.fakes.triton_stub import Faults, Gate, triton_stub

CONFIG = TritonConfig(image_batch=4, text_batch=4, request_timeout_seconds=20, patience_seconds=30)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def here(bundle: Bundle) -> OnnxEmbedder:
    return OnnxEmbedder(bundle)


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def address(bundle: Bundle, faults: Faults) -> Iterator[str]:
    with triton_stub(bundle, faults) as address:
        yield address


@contextmanager
def embedding(bundle: Bundle, address: str, config: TritonConfig = CONFIG) -> Iterator[TritonEmbedder]:
    embedder = TritonEmbedder(bundle, TritonClient(address, config), config)
    try:
        yield embedder
    finally:
        embedder.close()


def pictures(count: int = 12, seed: int = 5) -> Pixels:
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (count, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)


def test_f2_an_answer_after_the_deadline_is_not_looked_at(
    bundle: Bundle, here: OnnxEmbedder, faults: Faults, address: str
) -> None:
    """The first attempt is answered only once the second is under way, for the same rows."""
    gate, first = Gate(), threading.Event()

    def hold_the_first(request: Any) -> None:
        if not first.is_set():
            first.set()
            gate.wait(request)
        else:
            gate.open()

    faults.before_answer = hold_the_first
    config = replace(CONFIG, request_timeout_seconds=1)
    with embedding(bundle, address, config) as embedder:
        answer = embedder.embed_images(pictures(4))
        assert gate.held == 1
        assert np.allclose(answer, here.embed_images(pictures(4)), atol=1e-5)
        answer = embedder.embed_images(pictures(4, seed=6))
        assert np.allclose(answer, here.embed_images(pictures(4, seed=6)), atol=1e-5)


def test_f2_a_deadline_holds_for_each_call(bundle: Bundle, faults: Faults, address: str) -> None:
    gate = Gate()
    faults.before_answer = gate.wait
    client = TritonClient(address, CONFIG)
    with pytest.raises(ServerSlowError, match="DEADLINE_EXCEEDED"):
        client.infer(triton_model_name(bundle, "image"), pictures(1), request_id="1", timeout_seconds=0.2)
    gate.open()
    client.close()


def test_f8_answers_that_come_in_the_other_order_stand_at_their_rows(
    bundle: Bundle, here: OnnxEmbedder, faults: Faults, address: str
) -> None:
    """Of three requests under way, each is answered only after the one that came after it."""
    turns = [threading.Event() for _ in range(3)]
    arrived: list[int] = []
    lock = threading.Lock()

    def backwards(_request: Any) -> None:
        with lock:
            place = len(arrived)
            arrived.append(place)
        if place < 2:
            assert turns[place + 1].wait(30)
        turns[place].set()

    faults.before_answer = backwards
    with embedding(bundle, address) as embedder:
        answer = embedder.embed_images(pictures())
    assert np.allclose(answer, here.embed_images(pictures()), atol=1e-5)


def clear_outputs(response: Any) -> None:
    del response.outputs[:]


def rename(response: Any) -> None:
    response.outputs[0].name = "logits"


def narrow(response: Any) -> None:
    response.outputs[0].shape[1] = DIMENSIONS // 2


def retype(response: Any) -> None:
    response.outputs[0].datatype = "BF16"


def empty(response: Any) -> None:
    """What numpy 2 makes of answers in old servers."""
    response.outputs[0].shape[:] = [0]
    response.raw_output_contents[0] = b""


def double(response: Any) -> None:
    response.raw_output_contents.append(response.raw_output_contents[0])


def other_id(response: Any) -> None:
    response.id = "another"


def other_model(response: Any) -> None:
    response.model_name = "another"


@pytest.mark.parametrize(
    "change", [clear_outputs, rename, narrow, retype, empty, double, other_id, other_model]
)
def test_f4_f8_an_answer_of_another_form_or_to_another_request_stops_the_stage(
    bundle: Bundle, faults: Faults, address: str, change: Callable[[Any], None]
) -> None:
    def spoil(response: Any) -> Any:
        change(response)
        return response

    faults.spoil = spoil
    with embedding(bundle, address) as embedder, pytest.raises(ConfigurationError):
        embedder.embed_images(pictures(4))


def test_f1_f3_statuses_of_a_proxy_are_waited_out(
    bundle: Bundle, here: OnnxEmbedder, faults: Faults, address: str
) -> None:
    refusals = iter(
        [
            (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests"),
            (grpc.StatusCode.UNAVAILABLE, "no upstream"),
            (grpc.StatusCode.ABORTED, "drained"),
        ]
    )
    faults.refuse = lambda: next(refusals, None)
    with embedding(bundle, address) as embedder:
        answer = embedder.embed_images(pictures(4))
    assert np.allclose(answer, here.embed_images(pictures(4)), atol=1e-5)


def test_f3_a_message_that_is_too_large_is_to_be_halved(
    bundle: Bundle, here: OnnxEmbedder, address: str
) -> None:
    row = IMAGE_SIZE * IMAGE_SIZE * 3
    with embedding(bundle, address, replace(CONFIG, max_message_bytes=3 * row)) as embedder:
        with pytest.raises(ModelError, match="larger than max"):
            embedder.embed_images(pictures(4))
        answer = embedder.embed_images(pictures(2))
    assert np.allclose(answer, here.embed_images(pictures(2)), atol=1e-5)


def test_a_token_is_sent_and_read_anew_for_each_call(
    bundle: Bundle, faults: Faults, address: str, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    with embedding(bundle, address, replace(CONFIG, token_file=token)) as embedder:
        embedder.embed_images(pictures(4))
        token.write_text("second\n")
        faults.metadata.clear()
        embedder.embed_images(pictures(4))
    assert {metadata["authorization"] for metadata in faults.metadata} == {"Bearer second"}


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
def test_a_client_that_is_not_let_in_stops_the_stage(
    bundle: Bundle, faults: Faults, address: str, code: grpc.StatusCode
) -> None:
    faults.refuse = lambda: (code, "who are you")
    with embedding(bundle, address) as embedder, pytest.raises(ConfigurationError, match="who are you"):
        embedder.embed_images(pictures(4))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def pem(path: Path, *blobs: trustme.Blob) -> Path:
    path.write_bytes(b"".join(blob.bytes() for blob in blobs))
    return path


def test_tls_with_certificates_of_both_sides(
    bundle: Bundle, here: OnnxEmbedder, faults: Faults, authority: trustme.CA, tmp_path: Path
) -> None:
    served, own = authority.issue_cert("localhost"), authority.issue_cert("client")
    pair = (served.private_key_pem.bytes(), b"".join(blob.bytes() for blob in served.cert_chain_pems))
    credentials = grpc.ssl_server_credentials([pair], authority.cert_pem.bytes(), require_client_auth=True)
    config = replace(
        CONFIG,
        tls=True,
        ca_file=pem(tmp_path / "ca.pem", authority.cert_pem),
        certificate_file=pem(tmp_path / "own.pem", *own.cert_chain_pems),
        key_file=pem(tmp_path / "own.key", own.private_key_pem),
    )
    with triton_stub(bundle, faults, credentials) as address, embedding(bundle, address, config) as embedder:
        answer = embedder.embed_images(pictures(4))
    assert np.allclose(answer, here.embed_images(pictures(4)), atol=1e-5)


def test_a_server_that_nobody_vouches_for_is_not_spoken_to(
    bundle: Bundle, faults: Faults, authority: trustme.CA, tmp_path: Path
) -> None:
    served = authority.issue_cert("localhost")
    pair = (served.private_key_pem.bytes(), b"".join(blob.bytes() for blob in served.cert_chain_pems))
    config = replace(
        CONFIG,
        tls=True,
        ca_file=pem(tmp_path / "ca.pem", trustme.CA().cert_pem),
        patience_seconds=0.5,
    )
    credentials = grpc.ssl_server_credentials([pair])
    with triton_stub(bundle, faults, credentials) as address, embedding(bundle, address, config) as embedder:
        with pytest.raises(RetriableError):
            embedder.embed_images(pictures(4))
        assert faults.metadata == []


def test_dropping_the_connection_ends_calls_under_way(bundle: Bundle, faults: Faults, address: str) -> None:
    gate = Gate()
    faults.before_answer = gate.wait
    client = TritonClient(address, CONFIG)
    raised: list[PairmillError] = []

    def ask() -> None:
        try:
            client.infer(triton_model_name(bundle, "image"), pictures(1), request_id="1", timeout_seconds=60)
        except PairmillError as error:
            raised.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: gate.held == 1)
    client.reconnect()
    thread.join(30)
    gate.open()
    assert isinstance(raised[0], ServerAwayError)
    faults.before_answer = lambda request: None
    answer = client.infer(triton_model_name(bundle, "image"), pictures(1), request_id="2", timeout_seconds=20)
    assert answer.request_id == "2"
    client.close()
