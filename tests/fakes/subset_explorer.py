"""A whole explorer over a stored dataset, reached over gRPC alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill.rpc.server import RpcServer
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.telemetry.logs import logging_to
from pairmill_explorer.desks import opened_desks
from pairmill_explorer.http.config import HttpConfig
from pairmill_explorer.open import CoreConfig, open_explorer
from pairmill_explorer.rpc.work import WorkConfig
from pairmill_explorer.serving import serving
from tests.fakes.rpc import TokenFile, config_of

DATASET = "first"
"""What the dataset is called there."""


@dataclass(frozen=True)
class SubsetExplorer:
    """An explorer that runs."""

    server: RpcServer
    tokens: TokenFile
    registry: CollectorRegistry

    @property
    def target(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.server.port}"

    def options(self, caller: str = "operate") -> tuple[object, ...]:
        """Returns the options that reach it as a caller."""
        return ("--target", self.target, "--token-file", self.tokens.token_file(caller), "--insecure")

    def measured(self, metric: str) -> float | None:
        """Returns the value of a metric."""
        return self.registry.get_sample_value(metric)


@contextmanager
def subset_explorer(
    dataset: Path | ObjectStore, scratch: Path, tokens: TokenFile, **rpc: Any
) -> Iterator[SubsetExplorer]:
    """Serves a dataset meanwhile."""
    clock, registry = SystemClock(), CollectorRegistry()
    store = DirectoryStore(dataset) if isinstance(dataset, Path) else dataset
    with (
        logging_to(io.StringIO(), "error", service="explorer", version="tests"),  # stdout is the command's
        open_explorer({DATASET: store}, CoreConfig(scratch=scratch), clock=clock) as explorer,
        opened_desks(explorer, scratch=scratch, registry=registry, clock=clock) as desks,
        serving(
            desks,
            http=HttpConfig(),
            rpc=config_of(tokens, **rpc),
            work=WorkConfig(calls_per_minute=0),
            registry=registry,
            clock=clock,
        ) as running,
    ):
        assert running.rpc is not None
        yield SubsetExplorer(running.rpc, tokens, registry)
