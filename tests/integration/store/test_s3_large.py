"""Large objects, many threads, small disks, TLS and writers that are killed."""

from __future__ import annotations

import hashlib
import os
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from deploy.local.s3 import S3Server
from pairmill.errors import ConfigurationError, NoSpaceError
from pairmill.store.s3 import S3Store
from pairmill.store.scoped import ScopedStore
from pairmill.store.settings import MIN_PART_BYTES, S3Config
from tests.bench.isolated import in_own_process
from tests.bench.processes import read_process
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.fault_rules import Rule
from tests.fakes.processes import Child, wait_until
from tests.integration.store.conftest import PausesClock

MEGABYTE = 10**6


def test_a_file_takes_a_part_of_memory_whatever_its_size(
    s3_server: S3Server, bucket: str, tmp_path: Path
) -> None:
    config = S3Config(
        endpoint=s3_server.endpoint,
        credentials_file=s3_server.credentials_file,
        part_bytes=MIN_PART_BYTES,
    )
    growth = in_own_process(growth_by_transfers, bucket, config, tmp_path)
    assert growth < 2 * MIN_PART_BYTES


def growth_by_transfers(bucket: str, config: S3Config, folder: Path) -> int:
    """Stores and fetches a file of 80 MB and returns by how much memory rose meanwhile at most."""
    source, copy = folder / "source", folder / "copy"
    with source.open("wb") as file:
        for _ in range(80):
            file.write(os.urandom(MEGABYTE))
    with S3Store(bucket, "p", config) as store:
        store.put("warm", os.urandom(1000))
        store.get("warm")
        before, most, ended = private_bytes(), [0], threading.Event()

        def watch() -> None:
            while not ended.wait(0.005):
                most[0] = max(most[0], private_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        info = store.put_file("large", source)
        assert store.fetch("large", copy, sha256=info.sha256) == info
        ended.set()
        watcher.join()
    assert copy.stat().st_size == info.size_bytes == 80 * MEGABYTE
    return most[0] - before


def private_bytes() -> int:
    process = read_process(os.getpid())
    assert process is not None
    return process.private_bytes


def test_more_threads_than_connections_wait_for_their_turn(
    bucket: str, config: S3Config, proxy: FaultProxy, tmp_path: Path
) -> None:
    proxy.add(Rule(do="flip", method="GET", path="/3", times=1))
    with S3Store(bucket, "", replace(config, connections=3)) as store:

        def work(number: int) -> bool:
            data = hashlib.sha256(b"%d" % number).digest() * 20_000
            store.put(f"a/{number}", data)
            store.fetch(f"a/{number}", tmp_path / str(number))
            return (
                store.get_range(f"a/{number}", 100, 1000) == data[100:1100]
                and store.get(f"a/{number}") == data
            )

        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(work, range(64)))


def test_g1_g5_a_killed_writer_leaves_no_object_and_its_upload_goes_with_the_janitor(
    bucket: str, config: S3Config, proxy: FaultProxy, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3 * MIN_PART_BYTES))
    proxy.add(Rule(do="delay", path="partNumber=3", seconds=60, times=None))
    assert config.credentials_file is not None
    arguments = (config.endpoint, config.credentials_file, bucket, "shards/j1.w0-abc.tar", source)
    with Child("tests.fakes.s3_child", *arguments) as child:
        wait_until(lambda: proxy.count(lambda seen: "partNumber=3" in seen.path) > 0)
        child.kill()
    with S3Store(bucket, "jobs", config) as whole:
        store = ScopedStore(whole, "one")
        assert list(store.list("")) == []
        assert store.stat("shards/j1.w0-abc.tar") is None
        assert store.abandon_uploads(lambda key: "j2." in key) == 0
        assert ScopedStore(whole, "two").abandon_uploads(lambda _key: True) == 0
        assert store.abandon_uploads(lambda key: "j1." in key) == 1
        assert store.abandon_uploads(lambda key: "j1." in key) == 0


def test_a17_a_full_store_has_no_space(small_disk: Path, config: S3Config, clock: PausesClock) -> None:
    with S3Server(small_disk / "s3") as server:
        server.make_bucket("small")
        full = replace(config, endpoint=server.endpoint, credentials_file=server.credentials_file)
        with S3Store("small", "", full, clock=clock) as store:
            store.put("fits", b"x" * 500_000)
            for size in (4_000_000, 2 * MIN_PART_BYTES):
                with pytest.raises(NoSpaceError, match="no room"):
                    store.put("large", b"x" * size)
            assert clock.pauses == [], "room does not come by itself"
            assert [each.key for each in store.list("")] == ["fits"]
            store.delete("fits")
            store.put("large", b"x" * 1_000_000)


def test_a17_a_full_scratch_disk_leaves_no_partial_copy(store: S3Store, small_disk: Path) -> None:
    store.put("large", b"x" * 4_000_000)
    with pytest.raises(NoSpaceError, match="scratch"):
        store.fetch("large", small_disk / "copy")
    assert list(small_disk.iterdir()) == []
    assert store.get("large") == b"x" * 4_000_000, "the connection is as good as before"


def test_tls_is_spoken_with_authorities_of_a_file(
    s3_server: S3Server, bucket: str, config: S3Config, tmp_path: Path
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    stranger.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    (tmp_path / "empty.pem").touch()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with FaultProxy(s3_server.address, tls=context) as proxy:
        secure = replace(config, endpoint=proxy.endpoint, ca_file=tmp_path / "ca.pem")
        with S3Store(bucket, "", secure) as store:
            data = os.urandom(MIN_PART_BYTES + 1)
            assert store.get("a", sha256=store.put("a", data).sha256) == data
        for wrong in ("other.pem", "empty.pem", None):
            ca_file = tmp_path / wrong if wrong is not None else None
            with (
                pytest.raises(ConfigurationError, match="PAIRMILL_S3__CA_FILE"),
                S3Store(bucket, "", replace(secure, ca_file=ca_file)) as store,
            ):
                store.ping()
