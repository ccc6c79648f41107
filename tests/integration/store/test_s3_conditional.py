"""An object is replaced only if nobody else has replaced it meanwhile."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill.store.conditional import ReplacedError, conditional_puts
from pairmill.store.directory import DirectoryStore
from pairmill.store.s3 import S3Store
from pairmill.store.scoped import ScopedStore
from pairmill.telemetry.store import MeasuredStore, StoreMetrics
from tests.fakes.fault_proxy import FaultProxy
from tests.fakes.fault_rules import Rule


def test_of_two_who_replace_the_same_object_the_later_one_is_refused(store: S3Store) -> None:
    store.put("a", b"first")
    mark = store.mark("a")
    assert store.put_over(mark, "a", b"second").size_bytes == 6
    with pytest.raises(ReplacedError, match="replaced"):
        store.put_over(mark, "a", b"third")
    assert store.get("a") == b"second"
    store.delete("a")
    with pytest.raises(ReplacedError):
        store.put_over(mark, "a", b"third")
    assert store.stat("a") is None


def test_of_two_who_write_the_first_object_the_later_one_is_refused(store: S3Store) -> None:
    assert store.mark("a") == ""
    store.put_over("", "a", b"first")
    with pytest.raises(ReplacedError):
        store.put_over("", "a", b"second")
    assert store.get("a") == b"first"


def test_g2_a_write_whose_answer_was_lost_counts(store: S3Store, proxy: FaultProxy) -> None:
    store.put("a", b"first")
    mark = store.mark("a")
    proxy.add(Rule(do="lose", method="PUT"))
    store.put_over(mark, "a", b"second")
    assert store.get("a") == b"second"


def test_a_server_that_knows_no_conditions_gets_none(store: S3Store, proxy: FaultProxy) -> None:
    store.put("a", b"first")
    proxy.add(Rule(do="status", method="PUT", status=501, code="NotImplemented"))
    store.put_over("another mark", "a", b"second")
    assert store.get("a") == b"second"


def test_stores_around_another_write_on_the_same_conditions(store: S3Store) -> None:
    metrics = StoreMetrics(CollectorRegistry(), SystemClock())
    puts = conditional_puts(ScopedStore(MeasuredStore(store, metrics), "x"))
    assert puts is not None
    assert puts.put_over("", "a", b"first").key == "a"
    assert store.get("x/a") == b"first"
    with pytest.raises(ReplacedError):
        puts.put_over("", "a", b"second")
    assert puts.mark("a") == store.mark("x/a") != ""


def test_a_folder_knows_no_conditions(tmp_path_factory: pytest.TempPathFactory) -> None:
    store = DirectoryStore(tmp_path_factory.mktemp("store"))
    assert conditional_puts(store) is None
    assert conditional_puts(ScopedStore(store, "x")) is None
