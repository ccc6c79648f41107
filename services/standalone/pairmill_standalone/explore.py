"""One dataset served on this machine: the explorer's parts, without a configuration and without tokens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill.dataset.reader import Dataset
from pairmill.errors import PairmillError, RetriableError
from pairmill.rpc.config import RpcConfig
from pairmill.service import stop_on_signals
from pairmill.store.port import ObjectStore
from pairmill_explorer.dataset_metrics import DatasetCollector
from pairmill_explorer.desks import opened_desks
from pairmill_explorer.encoding.shelf import ModelConfig
from pairmill_explorer.http.config import HttpConfig
from pairmill_explorer.open import CoreConfig, Explorer, open_explorer
from pairmill_explorer.rpc.work import WorkConfig
from pairmill_explorer.serving import serving
from pairmill_index.build import build_index
from pairmill_index.errors import NoIndexError
from pairmill_index.options import BuildOptions
from pairmill_index.progress import Progress
from pairmill_index.publish import current_of
from pairmill_protos.explorer.v1.search_pb2 import QueryPart
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest

SHOWN: Final = 10
_LOOK_SECONDS: Final = 0.2
"""A signal that another thread took in does not wake an endless wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be served."""

    name: str
    store: ObjectStore
    scratch: Path
    bundles: tuple[Path, ...] = ()


class Running:
    """A dataset that is served."""

    def __init__(self, port: int, stop: threading.Event) -> None:
        self.port = port
        self._stop = stop

    def wait(self) -> None:
        """Waits for Ctrl-C or SIGTERM."""
        while not self._stop.wait(_LOOK_SECONDS):
            pass


def find_or_build_index(store: ObjectStore, scratch: Path, progress: Progress) -> bool:
    """Builds the index of a dataset that has none; returns whether it did."""
    try:
        current_of(store)
    except NoIndexError:
        build_index(Dataset.open(store), store, BuildOptions(), scratch=scratch, progress=progress)
        return True
    return False


@contextmanager
def explored(asked: Asked, port: int) -> Iterator[Running]:
    """Serves a dataset on a loopback address meanwhile."""
    clock, registry, stop = SystemClock(), CollectorRegistry(), threading.Event()
    http = HttpConfig(listen=f"127.0.0.1:{port}", linger_seconds=0.0, drain_seconds=2.0)
    with ExitStack() as stack:
        explorer = stack.enter_context(_opened(asked, clock))
        with suppress(RetriableError):  # then they are started with the first image
            explorer.warm_up()
        registry.register(DatasetCollector(explorer.search))
        desks = stack.enter_context(
            opened_desks(explorer, scratch=asked.scratch, registry=registry, clock=clock)
        )
        work = WorkConfig(calls_per_minute=0)
        running = stack.enter_context(
            serving(desks, http=http, rpc=RpcConfig(), work=work, registry=registry, clock=clock)
        )
        assert running.http is not None  # its address is set
        stop_on_signals(stop.set)
        yield Running(running.http.port, stop)


def check_dataset(asked: Asked, text: str) -> list[dict[str, Any]]:
    """Returns the samples nearest to a text: texts with their cosines, the nearest first."""
    with _opened(asked, SystemClock()) as explorer:
        request = SearchRequest(parts=[QueryPart(text=text)], page_size=SHOWN)
        hits = explorer.search.search(request).hits
    return [{"score": hit.score, "text": hit.sample.text, "url": hit.sample.url} for hit in hits]


def _opened(asked: Asked, clock: SystemClock) -> Explorer:
    """Opens the dataset; raises PairmillError where it cannot be searched."""
    config = CoreConfig(scratch=asked.scratch, model=ModelConfig(bundles=asked.bundles))
    explorer = open_explorer({asked.name: asked.store}, config, clock=clock)
    if trouble := next(iter(explorer.datasets)).trouble:
        explorer.close()
        raise PairmillError(trouble)
    return explorer
