"""Whether there is an API at all."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill.errors import ConfigurationError
from pairmill.rpc.config import RpcConfig
from pairmill.rpc.server import RpcServer
from pairmill_gateway.rpc.server import Backends, api_server
from tests.fakes.jobs import FakeJobs


def test_without_an_address_there_is_no_api_and_nothing_is_asked_for() -> None:
    with serve(RpcConfig()) as server:
        assert server is None


def test_with_an_address_a_tokens_file_is_asked_for() -> None:
    with pytest.raises(ConfigurationError, match="tokens_file: is not set"):
        serve(RpcConfig(listen="127.0.0.1:0", allow_insecure=True))


def serve(config: RpcConfig) -> AbstractContextManager[RpcServer | None]:
    """Returns the API over fake jobs."""
    jobs = FakeJobs()
    backends = Backends(jobs=jobs, audits=jobs, standings=jobs)
    return api_server(config, backends, registry=CollectorRegistry(), clock=SystemClock())
