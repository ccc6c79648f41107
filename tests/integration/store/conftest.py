"""A bucket of the test's own, and a store on it with a fault proxy between."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.s3 import S3Server
from pairmill.store.s3 import S3Store
from pairmill.store.settings import MIN_PART_BYTES, S3Config
from tests.fakes.clock import ManualClock
from tests.fakes.fault_proxy import FaultProxy


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    name = f"store-{secrets.token_hex(6)}"
    s3_server.make_bucket(name)
    return name


@pytest.fixture
def bucket_folder(s3_server: S3Server, bucket: str) -> Path:
    """Where the server keeps the bucket's objects as files."""
    return s3_server.folder / "buckets" / bucket


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.address) as proxy:
        yield proxy


@pytest.fixture
def config(proxy: FaultProxy, s3_server: S3Server) -> S3Config:
    """Through the proxy, in the smallest parts."""
    return S3Config(
        endpoint=proxy.endpoint,
        credentials_file=s3_server.credentials_file,
        part_bytes=MIN_PART_BYTES,
        connect_timeout_seconds=2.0,
        read_timeout_seconds=2.0,
    )


class PausesClock(ManualClock):
    """Notes what would have been waited for, and tells others."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self.on_pause: Callable[[int], object] = lambda number: number

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.pauses.append(seconds)
        self.on_pause(len(self.pauses))


@pytest.fixture
def clock() -> PausesClock:
    return PausesClock()


@pytest.fixture
def pauses(clock: PausesClock) -> list[float]:
    """How long the store would have waited before each further try."""
    return clock.pauses


@pytest.fixture
def store(bucket: str, config: S3Config, clock: PausesClock) -> Iterator[S3Store]:
    with S3Store(bucket, "some/prefix", config, clock=clock) as store:
        yield store
