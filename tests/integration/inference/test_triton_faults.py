"""The Triton embedder against a real tritonserver that is killed, stands still, is full, or is reloaded."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient  # type: ignore[import-untyped]  # it ships no types

from deploy.local.ports import free_port
from deploy.local.triton import TritonServer
from pairmill.errors import ConfigurationError, RetriableError
from pairmill_inference.model import PinnedModel
from pairmill_models.bundle import Bundle
from pairmill_models.embedder import Floats, Pixels
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.triton_client import TritonClient
from pairmill_models.triton_config import TOWERS, triton_model_name
from pairmill_models.triton_embedder import TritonEmbedder
from pairmill_models.triton_port import RequestEnding
from pairmill_models.triton_settings import TritonConfig
from tests.fakes.components import Servers
from tests.fakes.onnx_bundle import IMAGE_SIZE, random_bundle
from tests.fakes.processes import wait_until
from tests.fakes.triton_models import (
    DEADLY,
    REFUSED,
    SLOW,
    faulty_repository,
    repository_of,
    set_parameters,
)

CONFIG = TritonConfig(image_batch=8, text_batch=8, request_timeout_seconds=10, patience_seconds=60)
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def here(bundle: Bundle) -> OnnxEmbedder:
    return OnnxEmbedder(bundle)


@pytest.fixture(scope="module")
def faulty(
    bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
    triton_server: Callable[[Path], TritonServer],
) -> TritonServer:
    """A server whose model refuses more than 8 rows at once, and pictures that ask for a fault."""
    folder = tmp_path_factory.mktemp("faulty") / "models"
    return triton_server(faulty_repository(bundle, folder, most_rows=8))


@pytest.fixture(scope="module")
def shaky_server(
    bundle: Bundle,
    tmp_path_factory: pytest.TempPathFactory,
    triton_server: Callable[[Path], TritonServer],
) -> TritonServer:
    """A server with a short queue whose model takes its time."""
    folder = tmp_path_factory.mktemp("shaky") / "models"
    return triton_server(faulty_repository(bundle, folder, max_queue_size=2, seconds=0.05))


@pytest.fixture
def shaky(shaky_server: TritonServer) -> Iterator[TritonServer]:
    """The same, started again where a test killed it."""
    if not shaky_server.alive:
        shaky_server.start()
    yield shaky_server
    shaky_server.resume()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("other"), seed=2)


class Loader:
    """A server over two bundles that holds what it is told to."""

    def __init__(self, server: TritonServer) -> None:
        self.server = server
        self._triton = InferenceServerClient(server.address)

    def hold(self, *bundles: Bundle) -> None:
        """Loads the models of these bundles, from what stands in the repository now, and no others."""
        wanted = {triton_model_name(bundle, tower) for bundle in bundles for tower in TOWERS}
        for model in self._triton.get_model_repository_index().models:
            if model.name not in wanted:
                self._triton.unload_model(model.name)
        for name in sorted(wanted):
            self._triton.load_model(name)
        wait_until(lambda: self._held() == wanted)

    def _held(self) -> set[str]:
        models = self._triton.get_model_repository_index().models
        return {model.name for model in models if model.state == "READY"}


@pytest.fixture(scope="module")
def loader(
    bundle: Bundle, other: Bundle, tmp_path_factory: pytest.TempPathFactory, shared_servers: Servers
) -> Loader:
    folder = repository_of(other, repository_of(bundle, tmp_path_factory.mktemp("explicit") / "models"))
    arguments = ["--model-control-mode=explicit"]
    return Loader(shared_servers.start(lambda own: TritonServer(own, folder, arguments=arguments)))


@dataclass
class Endings:
    """Counts how requests ended."""

    seen: Counter[RequestEnding] = field(default_factory=Counter)

    def requested(self, tower: str, rows: int, seconds: float, ending: RequestEnding) -> None:
        self.seen[ending] += 1

    def wait_for_more(self, ending: RequestEnding, count: int) -> None:
        wanted = self.seen[ending] + count
        wait_until(lambda: self.seen[ending] >= wanted)


@dataclass
class Clients:
    """Makes embedders for servers, and closes them."""

    bundle: Bundle
    made: list[TritonEmbedder] = field(default_factory=list)

    def at(
        self, server: TritonServer, config: TritonConfig = CONFIG, observer: Endings | None = None
    ) -> TritonEmbedder:
        client = TritonClient(server.address, config)
        self.made.append(TritonEmbedder(self.bundle, client, config, observer=observer))
        return self.made[-1]


@pytest.fixture
def clients(bundle: Bundle) -> Iterator[Clients]:
    clients = Clients(bundle)
    yield clients
    for embedder in clients.made:
        embedder.close()


def pictures(count: int = 30, seed: int = 5) -> Pixels:
    draw = np.random.default_rng(seed)
    return draw.integers(0, 256, (count, IMAGE_SIZE, IMAGE_SIZE, 3), dtype=np.uint8)


def pinned(embedder: TritonEmbedder, bundle: Bundle) -> PinnedModel:
    return PinnedModel(
        embedder=embedder, name=bundle.name, version=bundle.model_version, dimensions=bundle.dimensions
    )


def in_background(call: Callable[[], Floats]) -> Future[Floats]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(call)
    pool.shutdown(wait=False)
    return future


def test_f1_a_server_killed_under_load_is_waited_for(
    here: OnnxEmbedder, clients: Clients, shaky: TritonServer
) -> None:
    endings = Endings()
    embedder = clients.at(shaky, replace(CONFIG, image_batch=4), endings)
    images = pictures(200)
    waiting = in_background(lambda: embedder.embed_images(images))
    for _ in range(2):
        endings.wait_for_more("answered", 3)
        shaky.kill()
        with pytest.raises(RetriableError, match="UNAVAILABLE"):
            embedder.ping()
        endings.wait_for_more("away", 2)
        assert not waiting.done()
        shaky.start()
    assert np.allclose(waiting.result(60), here.embed_images(images), atol=TOLERANCE)
    embedder.ping()


def test_f1_a_server_that_stays_away_pauses_the_stage(bundle: Bundle) -> None:
    config = replace(CONFIG, patience_seconds=1)
    embedder = TritonEmbedder(bundle, TritonClient(f"127.0.0.1:{free_port()}", config), config)
    with pytest.raises(RetriableError, match="UNAVAILABLE"):
        embedder.embed_images(pictures())
    embedder.close()


def test_f1_a_model_whose_process_died_blames_no_row(
    bundle: Bundle, here: OnnxEmbedder, clients: Clients, shaky: TritonServer
) -> None:
    """The server calls such a model ready, and refuses whatever it is asked."""
    images = pictures(4)
    images[1, 0, 0] = DEADLY
    embedder = clients.at(shaky, replace(CONFIG, patience_seconds=1))
    for given in (images, pictures(4)):
        with pytest.raises(RetriableError, match="refuses known input"):
            pinned(embedder, bundle).embed_images(given)
    shaky.kill()
    shaky.start()
    answer = clients.at(shaky).embed_images(pictures())
    assert np.allclose(answer, here.embed_images(pictures()), atol=TOLERANCE)


def test_f1_a_model_that_is_not_loaded_is_waited_for(
    bundle: Bundle, other: Bundle, here: OnnxEmbedder, clients: Clients, loader: Loader
) -> None:
    """Also where the server holds another bundle (F6)."""
    loader.hold(other)
    embedder = clients.at(loader.server, replace(CONFIG, patience_seconds=1))
    with pytest.raises(RetriableError, match=f"unknown model: '{triton_model_name(bundle, 'image')}'"):
        embedder.embed_images(pictures())
    with pytest.raises(RetriableError, match="is not ready"):
        embedder.ping()
    loader.hold(bundle)
    assert np.allclose(embedder.embed_images(pictures()), here.embed_images(pictures()), atol=TOLERANCE)


def test_f2_a_server_that_stands_still_is_given_up_and_taken_again(
    here: OnnxEmbedder, clients: Clients, shaky: TritonServer
) -> None:
    """What it answers after all is for requests that nobody waits for any more."""
    endings = Endings()
    embedder = clients.at(shaky, replace(CONFIG, request_timeout_seconds=1, patience_seconds=1.5), endings)
    patient = clients.at(shaky, replace(CONFIG, request_timeout_seconds=1))
    embedder.embed_images(pictures())
    shaky.pause()
    with pytest.raises(RetriableError):
        embedder.embed_images(pictures(seed=6))
    assert endings.seen["slow"] >= 1
    waiting = in_background(lambda: patient.embed_images(pictures(seed=7)))
    shaky.resume()
    assert np.allclose(waiting.result(60), here.embed_images(pictures(seed=7)), atol=TOLERANCE)
    for seed in (8, 9):
        images = pictures(seed=seed)
        assert np.allclose(patient.embed_images(images), here.embed_images(images), atol=TOLERANCE)


def test_f2_a_row_that_takes_too_long_fails_alone(
    bundle: Bundle, here: OnnxEmbedder, clients: Clients, faulty: TritonServer
) -> None:
    config = replace(CONFIG, request_timeout_seconds=1.5, patience_seconds=1.5, requests_in_flight=1)
    images = pictures(2)
    images[1, 0, 0] = SLOW
    answers = pinned(clients.at(faulty, config), bundle).embed_images(images)
    assert list(answers.errors) == [1]
    assert "takes too long" in answers.errors[1]
    assert np.allclose(answers.vectors[:1], here.embed_images(images[:1]), atol=TOLERANCE)


def test_f3_a_full_queue_is_waited_for(here: OnnxEmbedder, clients: Clients, shaky: TritonServer) -> None:
    endings = Endings()
    crowd = [clients.at(shaky, observer=endings) for _ in range(4)]
    waiting = [
        in_background(lambda embedder=embedder, seed=seed: embedder.embed_images(pictures(40, seed)))  # type: ignore[misc]  # defaults bind them
        for seed, embedder in enumerate(crowd)
    ]
    for seed, future in enumerate(waiting):
        assert np.allclose(future.result(60), here.embed_images(pictures(40, seed)), atol=TOLERANCE)
    assert endings.seen["busy"] > 0


def test_f3_a_batch_without_memory_is_halved(
    bundle: Bundle, here: OnnxEmbedder, clients: Clients, faulty: TritonServer
) -> None:
    endings = Endings()
    embedder = clients.at(faulty, replace(CONFIG, image_batch=32), endings)
    images = pictures(30)
    answers = pinned(embedder, bundle).embed_images(images)
    assert not answers.errors
    assert np.allclose(answers.vectors, here.embed_images(images), atol=TOLERANCE)
    assert endings.seen["refused"] > 0


def test_f5_only_the_culprit_fails(
    bundle: Bundle, here: OnnxEmbedder, clients: Clients, faulty: TritonServer
) -> None:
    images = pictures(256)
    images[100, 0, 0] = REFUSED
    answers = pinned(clients.at(faulty), bundle).embed_images(images)
    assert list(answers.errors) == [100]
    assert "this picture is refused" in answers.errors[100]
    others = np.arange(256) != 100
    assert np.allclose(answers.vectors[others], here.embed_images(images)[others], atol=TOLERANCE)


def test_f5_a_neighbour_s_culprit_is_no_fault_of_a_batch(
    bundle: Bundle, here: OnnxEmbedder, clients: Clients, faulty: TritonServer
) -> None:
    """Triton joins the requests of several clients into one run."""
    images = pictures(64)
    images[::4, 0, 0] = REFUSED
    mixed = in_background(lambda: pinned(clients.at(faulty), bundle).embed_images(images).vectors)
    good = pinned(clients.at(faulty, replace(CONFIG, image_batch=2)), bundle)
    for seed in range(5):
        clean = pictures(64, 100 + seed)
        answers = good.embed_images(clean)
        assert not answers.errors
        assert np.allclose(answers.vectors, here.embed_images(clean), atol=TOLERANCE)
    mixed.result(60)


def test_f8_answers_of_many_threads_stand_at_their_rows(
    here: OnnxEmbedder, clients: Clients, faulty: TritonServer
) -> None:
    embedder = clients.at(faulty, replace(CONFIG, image_batch=3, text_batch=3, requests_in_flight=8))
    start = threading.Barrier(6)

    def images(seed: int) -> None:
        start.wait(30)
        given = pictures(50, seed)
        assert np.allclose(embedder.embed_images(given), here.embed_images(given), atol=TOLERANCE)

    def texts(seed: int) -> None:
        start.wait(30)
        given = [f"{seed} {number} " * (1 + number % 9) for number in range(50)]
        assert np.allclose(embedder.embed_texts(given), here.embed_texts(given), atol=TOLERANCE)

    with ThreadPoolExecutor(6) as pool:
        for future in [pool.submit(work, seed) for seed in range(3) for work in (images, texts)]:
            future.result(60)


def test_f6_a_model_reloaded_from_another_bundle_stops_the_stage(
    bundle: Bundle, other: Bundle, here: OnnxEmbedder, clients: Clients, loader: Loader, tmp_path: Path
) -> None:
    loader.hold(bundle)
    embedder = clients.at(loader.server)
    embedder.embed_images(pictures())
    model = loader.server.repository / triton_model_name(bundle, "image")
    right = Path(shutil.copytree(model, tmp_path / "right"))
    shutil.copy(other.path("image.onnx"), model / "1" / "image.onnx")
    set_parameters(model, pairmill_bundle_digest=other.digest, pairmill_model_version=other.model_version)
    loader.hold(bundle)
    with pytest.raises(ConfigurationError, match=f"the server holds bundle {other.digest[:40]}"):
        embedder.embed_images(pictures())
    shutil.rmtree(model)
    shutil.copytree(right, model)
    loader.hold(bundle)
    assert np.allclose(embedder.embed_images(pictures()), here.embed_images(pictures()), atol=TOLERANCE)


def test_f6_two_bundles_live_side_by_side(
    bundle: Bundle, other: Bundle, here: OnnxEmbedder, clients: Clients, loader: Loader
) -> None:
    loader.hold(bundle, other)
    second = TritonEmbedder(other, TritonClient(loader.server.address, CONFIG), CONFIG)
    found = second.embed_images(pictures())
    second.close()
    assert np.allclose(found, OnnxEmbedder(other).embed_images(pictures()), atol=TOLERANCE)
    first = clients.at(loader.server).embed_images(pictures())
    assert np.allclose(first, here.embed_images(pictures()), atol=TOLERANCE)
    assert not np.allclose(first, found, atol=0.1)
