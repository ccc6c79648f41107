"""The API over fake jobs, on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from tests.fakes.rpc import Served, TokenFile, callers, job_stub, serving


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    """A caller of each role."""
    return callers(tmp_path)


@pytest.fixture
def served(tokens: TokenFile) -> Iterator[Served]:
    """A server with its defaults."""
    with serving(tokens) as server:
        yield server


@pytest.fixture
def stub(served: Served) -> Iterator[JobServiceStub]:
    """A stub of the job service."""
    with job_stub(served.target) as connected:
        yield connected


@pytest.fixture
def channel(served: Served) -> Iterator[grpc.Channel]:
    """A connection to the server."""
    with grpc.insecure_channel(served.target) as connected:
        yield connected
