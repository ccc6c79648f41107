"""An inference process that asks a real tritonserver: outages pause it, another model stops it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from deploy.local.ports import free_port
from deploy.local.triton import TritonServer
from pairmill.errors import RetriableError
from pairmill.stage.port import UnitContext
from pairmill_inference.config import InferenceConfig
from pairmill_inference.handler import EmbedHandler
from pairmill_inference.parts import embed_parts
from pairmill_models.bundle import Bundle
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.triton_config import TOWERS, triton_model_name
from pairmill_models.triton_settings import TritonConfig
from pairmill_protos.unit.v1.unit_pb2 import UnitDone
from tests.fakes.components import MakeTriton
from tests.fakes.embed_units import ROWS, context, embeddings
from tests.fakes.model_stack import Stack, environment, model_stack, process
from tests.fakes.onnx_bundle import random_bundle
from tests.fakes.processes import wait_until
from tests.fakes.triton_models import faulty_repository, repository_of, set_parameters
from tests.unit.arrays.memory_store import MemoryStore


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return random_bundle(tmp_path / "bundle")


@dataclass(frozen=True)
class Service:
    """An inference process at work."""

    port: int
    stack: Stack
    child: Any

    def unready(self) -> dict[str, str]:
        """Returns why it takes no work, by check; empty if it does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as answer:
                answer.read()
                return {}
        except urllib.error.HTTPError as error:
            with error:
                found: dict[str, str] = json.loads(error.read())["checks"]
            return {name: reason for name, reason in found.items() if reason != "ok"}
        except OSError:
            return {"process": "not there yet"}

    def metric(self, line: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(found for found in lines if found.startswith(line)).split()[-1])

    def done(self) -> UnitDone:
        (done,) = self.stack.wait_for_units(1, self.child)
        return done


@contextmanager
def service(folder: Path, bundle: Bundle, target: str, *, rows: int = 9, **more: str) -> Iterator[Service]:
    port = free_port()
    settings = {
        "PAIRMILL_TRITON_TARGET": target,
        "PAIRMILL_TRITON__PATIENCE_SECONDS": "0.5",
        "PAIRMILL_ADMIN_PORT": str(port),
        **more,
    }
    with (
        model_stack(folder, bundle, rows=rows) as stack,
        process("inference", environment(folder, "inference", **settings)) as child,
    ):
        yield Service(port=port, stack=stack, child=child)


def check_texts(done: UnitDone, stack: Stack, bundle: Bundle, rows: int) -> None:
    texts = np.load(stack.output(done, "text_embeddings"))
    assert texts.shape == (rows, bundle.dimensions)
    captions = [row.text for row in stack.shard.rows]
    wanted = OnnxEmbedder(bundle).embed_texts(captions)
    assert np.allclose(np.sort(texts.astype(np.float32), axis=0), np.sort(wanted, axis=0), atol=1e-3)


def test_f1_a_process_waits_for_a_server_that_is_not_there_and_says_so(
    tmp_path: Path, bundle: Bundle, make_triton: MakeTriton
) -> None:
    """It is killed once more before the unit ends; nothing fails, nothing is set aside."""
    server = make_triton(faulty_repository(bundle, tmp_path / "models", seconds=0.1))
    server.kill()
    options = {"PAIRMILL_BLOCK_ROWS": "4", "PAIRMILL_TRITON__IMAGE_BATCH": "2"}
    with service(tmp_path, bundle, server.address, rows=60, **options) as inference:
        wait_until(lambda: "UNAVAILABLE" in inference.unready().get("model", ""))
        inference.stack.publish_embed_unit()
        wait_until(lambda: "UNAVAILABLE" in inference.unready().get("loop", ""))
        assert inference.metric('pairmill_paused{cause="dependency"}') == 1
        server.start()
        answered = 'pairmill_triton_requests_total{model="image",result="answered"}'
        wait_until(lambda: inference.metric(answered) >= 3)
        server.kill()
        wait_until(lambda: "UNAVAILABLE" in inference.unready().get("loop", ""))
        server.start()
        check_texts(inference.done(), inference.stack, bundle, 60)
        wait_until(lambda: inference.unready() == {})
        assert inference.metric('pairmill_units_total{result="failed"}') == 0
        assert inference.metric('pairmill_units_total{result="retried"}') > 0


def test_f6_another_model_under_the_name_stops_the_process_until_it_is_put_right(
    tmp_path: Path, bundle: Bundle, make_triton: MakeTriton
) -> None:
    repository = repository_of(bundle, tmp_path / "models")
    models = [repository / triton_model_name(bundle, tower) for tower in TOWERS]
    for model in models:
        set_parameters(model, pairmill_bundle_digest="ab" * 32)
    server = make_triton(repository)
    with service(tmp_path, bundle, server.address) as inference:
        inference.stack.publish_embed_unit()
        wait_until(lambda: "the server holds bundle abab" in inference.unready().get("loop", ""))
        assert inference.unready()["loop"].startswith("breaker: ")
        server.stop()
        for model in models:
            set_parameters(model, pairmill_bundle_digest=bundle.digest)
        server.start()
        check_texts(inference.done(), inference.stack, bundle, 9)
        assert inference.metric('pairmill_units_total{result="failed"}') == 0


@pytest.fixture
def handler_at(bundle: Bundle) -> Iterator[Callable[[str], EmbedHandler]]:
    handlers: list[EmbedHandler] = []

    def make(target: str) -> EmbedHandler:
        config = InferenceConfig(
            bundle=bundle.folder,
            block_rows=4,
            triton_target=target,
            triton=TritonConfig(image_batch=2, text_batch=3),
        )
        handlers.append(EmbedHandler(embed_parts(config, bundle)))
        return handlers[-1]

    yield make
    for handler in handlers:
        handler.close()


def test_whichever_way_a_unit_is_worked_triton_gives_the_same(
    tmp_path: Path,
    bundle: Bundle,
    make_triton: MakeTriton,
    handler_at: Callable[[str], EmbedHandler],
) -> None:
    """In process, in Triton, and in Triton pair by pair from a child process."""
    server: TritonServer = make_triton(repository_of(bundle, tmp_path / "models"))
    found = []
    for target, isolated in (("", False), (server.address, False), (server.address, True)):
        store = MemoryStore()
        unit: UnitContext = replace(context(store, bundle, tmp_path), isolated=isolated)
        handler = handler_at(target)
        result = handler.handle(unit)
        assert {ref.rows for ref in result.outputs} == {ROWS}
        found.append(embeddings(store))
        handler.self_test()
    here, *served = found
    for others in served:
        for rows, other_rows in zip(here, others, strict=True):
            assert np.allclose(numbers(rows), numbers(other_rows), atol=2e-3)


def numbers(npy: bytes) -> npt.NDArray[np.float64]:
    """Returns the numbers of a file of embeddings, whose header is of fixed length."""
    return np.frombuffer(npy[128:], "<f2").astype(np.float64)


def test_f2_an_outage_while_pairs_are_worked_alone_is_no_pair_s_fault(
    tmp_path: Path, bundle: Bundle, make_triton: MakeTriton
) -> None:
    """The child that asks a server which stands still ends its try before its own time is up."""
    server = make_triton(repository_of(bundle, tmp_path / "models"))
    config = InferenceConfig(bundle=bundle.folder, triton_target=server.address, isolated_seconds=16)
    unit = replace(context(MemoryStore(), bundle, tmp_path), isolated=True)
    with closing(EmbedHandler(embed_parts(config, bundle))) as handler:
        handler.self_test()
        server.pause()
        with pytest.raises(RetriableError):
            handler.handle(unit)
        server.resume()
        assert {ref.rows for ref in handler.handle(unit).outputs} == {ROWS}
