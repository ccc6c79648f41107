"""The S3 store on a server that fails, loses answers, damages bytes and goes away."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from pairmill.errors import CorruptObjectError, RetriableError
from pairmill.store.port import ObjectInfo
from pairmill.store.s3 import S3Store
from pairmill.store.settings import MIN_PART_BYTES, S3Config
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.fault_rules import Fault, Rule
from tests.integration.store.conftest import PausesClock

SMALL: Final = bytes(range(256)) * 300
LARGE: Final = hashlib.sha256(b"large").digest() * ((3 * MIN_PART_BYTES + 1000) // 32)
"""Four parts, the last one short."""


def digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def all_uploads(store: S3Store) -> int:
    """Aborts whatever uploads are open; returns how many there were."""
    return store.abandon_uploads(lambda _key: True)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_g2_a_server_that_recovers_costs_nothing_but_time(
    store: S3Store, proxy: FaultProxy, pauses: list[float], status: int
) -> None:
    proxy.add(Rule(do="status", times=5, status=status))
    store.put("a", SMALL)
    assert len(pauses) == 5
    assert 0.25 <= pauses[0] <= 0.5 < 4.0 <= pauses[4] <= 8.0, "each pause is about twice the last"
    assert store.get("a") == SMALL


def test_g2_a_server_that_does_not_recover_is_away(
    store: S3Store, proxy: FaultProxy, pauses: list[float]
) -> None:
    store.put("a", SMALL)
    proxy.add(Rule(do="status", times=None))
    for call, patience in (
        (lambda: store.get("a"), 20),
        (lambda: store.stat("a"), 20),
        (lambda: store.put("b", SMALL), 120),
    ):
        pauses.clear()
        with pytest.raises(RetriableError, match=r"SlowDown|503"):
            call()
        assert patience - 10 < sum(pauses) <= patience


@pytest.mark.parametrize("fault", ["drop", "lose"])
def test_g2_a_write_whose_answer_was_lost_is_repeated_under_the_same_key(
    store: S3Store, proxy: FaultProxy, fault: Fault
) -> None:
    proxy.add(Rule(do=fault, method="PUT", times=3))
    info = store.put("a", SMALL)
    assert info == ObjectInfo(key="a", size_bytes=len(SMALL), sha256=digest(SMALL))
    assert store.get("a", sha256=info.sha256) == SMALL
    assert [each.key for each in store.list("")] == ["a"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", r"\?uploads="), ("PUT", "partNumber=2"), ("POST", "uploadId="), ("PUT", "partNumber=4")],
    ids=["begin", "a part", "completion", "the last part"],
)
@pytest.mark.parametrize("fault", ["status", "drop", "lose"])
def test_g2_each_step_of_an_upload_in_parts_may_fail_or_lose_its_answer(
    store: S3Store, proxy: FaultProxy, method: str, path: str, fault: Fault
) -> None:
    proxy.add(Rule(do=fault, method=method, path=path, times=2))
    store.put("a", LARGE)
    assert store.get("a", sha256=digest(LARGE)) == LARGE
    parts = proxy.count(lambda seen: "partNumber" in seen.path)
    assert parts <= 6, "parts that are there are not sent again"


def test_g2_a_completion_that_fails_after_it_was_begun_is_repeated(store: S3Store, proxy: FaultProxy) -> None:
    """S3 may answer 200 at once and tell of an error in the body."""
    proxy.add(Rule(do="status", method="POST", path="uploadId=", status=200, code="InternalError", times=2))
    store.put("a", LARGE)
    assert store.get("a", sha256=digest(LARGE))


def test_g5_an_upload_that_someone_aborts_fails_at_once(
    store: S3Store, proxy: FaultProxy, clock: PausesClock
) -> None:
    clock.on_pause = lambda _number: all_uploads(store)
    proxy.add(Rule(do="status", path="partNumber=3"))
    with pytest.raises(RetriableError, match="aborted meanwhile"):
        store.put("a", LARGE)
    assert len(clock.pauses) < 6, "its patience is not used up"
    assert store.stat("a") is None


def test_g5_an_upload_that_fails_is_aborted(store: S3Store, proxy: FaultProxy) -> None:
    proxy.add(Rule(do="status", path="partNumber=3", times=None))
    with pytest.raises(RetriableError):
        store.put("a", LARGE)
    assert store.stat("a") is None
    assert all_uploads(store) == 0


def test_g5_an_upload_whose_beginning_lost_its_answer_is_left_for_the_janitor(
    store: S3Store, proxy: FaultProxy
) -> None:
    proxy.add(Rule(do="lose", method="POST", path=r"\?uploads="))
    store.put("a/j1-x", LARGE)
    assert store.abandon_uploads(lambda key: key == "a/j2-x") == 0
    assert store.abandon_uploads(lambda key: key == "a/j1-x") == 1
    assert all_uploads(store) == 0
    assert store.get("a/j1-x", sha256=digest(LARGE))


def test_g4_bytes_damaged_on_their_way_are_read_again(
    store: S3Store, proxy: FaultProxy, tmp_path: Path
) -> None:
    store.put("a", SMALL)
    proxy.add(Rule(do="flip", method="GET", at_byte=70_000))
    assert store.get("a") == SMALL
    proxy.add(Rule(do="flip", method="GET", at_byte=70_000))
    store.fetch("a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == SMALL


def test_g4_bytes_that_stay_damaged_are_corrupt(store: S3Store, proxy: FaultProxy, tmp_path: Path) -> None:
    store.put("a", SMALL)
    proxy.add(Rule(do="flip", method="GET", times=None))
    with pytest.raises(CorruptObjectError, match="a"):
        store.get("a")
    with pytest.raises(CorruptObjectError):
        store.fetch("a", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at_byte", [0, 1, 70_000])
def test_g2_an_answer_that_breaks_off_is_read_again(
    store: S3Store, proxy: FaultProxy, tmp_path: Path, at_byte: int
) -> None:
    cut = Rule(do="cut", method="GET", at_byte=at_byte, times=2)
    store.put("a", SMALL)
    proxy.add(cut)
    assert store.get("a") == SMALL
    proxy.add(cut)
    assert store.get_range("a", 1, 75_000) == SMALL[1:75_001]
    proxy.add(cut)
    store.fetch("a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == SMALL


def test_g2_an_answer_that_does_not_come_is_asked_for_again(store: S3Store, proxy: FaultProxy) -> None:
    store.put("a", SMALL)
    proxy.add(Rule(do="delay", method="GET", seconds=60.0))
    assert store.get("a") == SMALL


def test_a_slow_upload_goes_on_for_longer_than_a_connection_may_take(
    bucket: str, config: S3Config, proxy: FaultProxy
) -> None:
    """A socket's time-out is for each block, not for the body."""
    hasty = S3Config(
        endpoint=config.endpoint,
        credentials_file=config.credentials_file,
        connect_timeout_seconds=0.5,
        write_patience_seconds=0,
    )
    proxy.add(Rule(do="slow", method="PUT", bytes_per_second=6_000_000))
    with S3Store(bucket, "", hasty) as store:
        store.put("a", LARGE[:12_000_000])
        assert store.get("a", sha256=digest(LARGE[:12_000_000]))


def test_u15_a_server_that_is_away_is_waited_for(
    bucket: str, config: S3Config, proxy: FaultProxy, clock: PausesClock
) -> None:
    with FaultProxy("127.0.0.1:1") as gone:
        away = S3Config(endpoint=gone.endpoint, credentials_file=config.credentials_file)
    with S3Store(bucket, "", away, clock=clock) as store:
        with pytest.raises(RetriableError, match="could not reach"):
            store.ping()
        assert clock.pauses == [], "a ping does not wait"
        with pytest.raises(RetriableError, match="could not write a"):
            store.put("a", SMALL)
        assert 110 < sum(clock.pauses) <= 120


def test_a_listing_goes_on_where_it_was_cut_off(
    store: S3Store, proxy: FaultProxy, bucket_folder: Path
) -> None:
    folder = bucket_folder / "some" / "prefix" / "many"
    folder.mkdir(parents=True)
    for number in range(2500):
        (folder / f"{number:05d}").touch()
    (folder / ".tmp-other-tool").touch()
    proxy.add(Rule(do="cut", path="list-type=2", skip=1, times=2, at_byte=5000))
    proxy.add(Rule(do="status", path="list-type=2", times=2))
    keys = [info.key for info in store.list("many/")]
    assert keys == [f"many/{number:05d}" for number in range(2500)]


def test_g2_a_storm_of_faults_costs_nothing_but_time(
    bucket: str, config: S3Config, clock: PausesClock, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Each kind at its own pace, so that they meet in ever other ways. All threads move the clock."""
    storm: tuple[tuple[Fault, int], ...] = (
        ("status", 5), ("drop", 7), ("lose", 11), ("cut", 13), ("refuse", 17),
    )  # fmt: skip
    patient = replace(config, read_patience_seconds=1e9, write_patience_seconds=1e9)
    store = S3Store(bucket, "", patient, clock=clock)
    store.put("warm", SMALL)
    store.get("warm")
    for fault, every in storm:
        code = "ExpiredToken" if fault == "refuse" else "SlowDown"
        path = "/objects/" if fault == "refuse" else ""
        proxy.add(Rule(do=fault, every=every, times=None, at_byte=3, code=code, path=path))

    def work(number: int) -> None:
        key, data = f"objects/{number}", digest(b"%d" % number) * 2000
        info = store.put(key, data)
        assert store.get(key, sha256=info.sha256) == data
        assert store.fetch(key, tmp_path / str(number)).sha256 == info.sha256
        assert store.stat(key) == info
        assert store.get_range(key, 50_000, 20) == data[50_000:50_020]

    with store, ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(60)))
        assert len(list(store.list("objects/"))) == 60
    assert {seen.fault for seen in proxy.seen} >= {fault for fault, _ in storm}


def test_many_objects_are_removed_in_few_requests(
    store: S3Store, proxy: FaultProxy, bucket_folder: Path
) -> None:
    folder = bucket_folder / "some" / "prefix" / "many"
    folder.mkdir(parents=True)
    for number in range(1500):
        (folder / f"{number:05d}").touch()
    proxy.add(Rule(do="status", method="POST", path=r"\?delete", status=200, code="SlowDown"))
    proxy.add(Rule(do="lose", method="POST", path=r"\?delete"))
    store.delete_all(info.key for info in store.list("many/"))
    assert list(store.list("")) == []
    assert proxy.count(lambda seen: seen.method == "POST") == 4
    assert proxy.count(lambda seen: seen.method == "DELETE") == 0
