"""A download unit with all its real parts: network, gate, child processes, store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.clock import SystemClock
from pairmill.dataset.audit.shards import grouped
from pairmill.store.directory import DirectoryStore
from pairmill_downloader.adapters.decoders import DecoderPool
from pairmill_downloader.adapters.network import open_network
from pairmill_downloader.config import DownloaderConfig
from pairmill_downloader.engine import Engine
from pairmill_downloader.fetching.config import Network, Route
from pairmill_downloader.handler import DownloadHandler, DownloadParts
from pairmill_downloader.known_good import check_known_good
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from tests.fakes import download as fake
from tests.fakes.images_server import ImageServer, serving


class TimedServer(ImageServer):
    """Remembers when each request came."""

    def __init__(self) -> None:
        super().__init__({f"/{number}.jpg": fake.picture(number) for number in range(30)})
        self.times: list[float] = []

    def reply(self, path: str) -> tuple[int, bytes]:
        self.times.append(time.monotonic())
        return super().reply(path)


@pytest.fixture
def server() -> Iterator[TimedServer]:
    made = TimedServer()
    with serving(made):
        yield made


@pytest.fixture
def handler(server: TimedServer) -> Iterator[DownloadHandler]:
    clock = SystemClock()
    config = DownloaderConfig(
        allowed_networks=(Network("127.0.0.0/8"),),
        connect_to=(Route(f"test=127.0.0.1:{server.port}"),),
        decode_processes=1,
    )
    pool = DecoderPool(processes=1, memory_bytes=config.decode_memory_bytes)
    made = DownloadHandler(
        DownloadParts(
            engine=Engine(lambda: open_network(config, clock, partitions=1)),
            examiner=pool,
            observer=fake.CountingObserver(),
            clock=clock,
            check_examiner=lambda: check_known_good(pool),
        )
    )
    yield made
    made.close()


def test_g6_a_unit_leaves_a_shard_whose_tar_is_its_index(
    handler: DownloadHandler, server: TimedServer, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path / "store")
    rows = [fake.row(f"http://h{number % 7}.test/{number}.jpg") for number in range(35)]
    server.failures["/3.jpg"] = 1
    task = fake.download_task(fake.stored_rows(store, [rows]))
    result = handler.handle(fake.context(task, fake.spec(), store, tmp_path / "scratch"))
    assert result.tally == {
        (Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED): 30,
        (Outcome.OUTCOME_FAILED, Reason.REASON_HTTP_4XX): 5,
    }
    path = tmp_path / "shard.tar"
    path.write_bytes(store.get(result.outputs[0].key))
    members = grouped(path)
    index = fake.index_of(result, store)
    places = {row["key"]: (row["tar_offset"], row["tar_size"]) for row in index if row["reason"] == ""}
    assert {key: (parts["jpg"].offset, parts["jpg"].size) for key, parts in members.items()} == places
    assert {row["robots"] for row in index if not row["reason"]} != {None}
    handler.self_test()


def test_d11_a_host_is_asked_no_faster_than_its_delay(
    handler: DownloadHandler, server: TimedServer, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path / "store")
    rows = [fake.row(f"http://one.test/{number}.jpg") for number in range(6)]
    job = fake.spec()
    job.download.host_delay_seconds = 0.1
    task = fake.download_task(fake.stored_rows(store, [rows]))
    result = handler.handle(fake.context(task, job, store, tmp_path / "scratch"))
    assert result.tally == {(Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED): 6}
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    assert sum(gaps) >= 0.1 * len(gaps) - 0.05  # arrivals jitter, starts do not
