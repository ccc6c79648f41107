"""A dataset in a store is read like one in a folder: by its manifest, never by a listing (G7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.dataset import roles
from pairmill.dataset.audit import audit
from pairmill.dataset.diff import diff
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError, RetriableError
from pairmill.store.port import ObjectInfo
from pairmill.store.scoped import ScopedStore
from tests.fakes.store import MemoryStore
from tests.unit.dataset.conftest import first_file


class UnlistedStore(MemoryStore):
    """A store that cannot be listed, and is away after so many reads if it is told to."""

    def __init__(self, folder: Path, prefix: str) -> None:
        super().__init__()
        self.reads_left: int | None = None
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder)}", path.read_bytes())

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        raise AssertionError(f"{prefix} was listed")

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        if self.reads_left is not None:
            self.away = self.reads_left <= 0
            self.reads_left -= 1
        return super().get(key, sha256=sha256)


@pytest.fixture
def whole(finished: Path) -> UnlistedStore:
    return UnlistedStore(finished, "datasets/first")


@pytest.fixture
def store(whole: UnlistedStore) -> ScopedStore:
    return ScopedStore(whole, "datasets/first")


def test_g7_no_listing_is_read(store: ScopedStore, finished: Path) -> None:
    report = audit(store)
    assert report.closes
    assert report.candidates == 70
    assert diff(store, finished).same
    assert sum(batch.num_rows for batch in Dataset.open(store).samples()) > 0


def test_g7_foreign_objects_do_not_count(whole: UnlistedStore, store: ScopedStore) -> None:
    whole.put("datasets/first/data/en/part-of-another-0badbeef.parquet", b"none of ours")
    assert audit(store).closes


def test_g4_a_damaged_object_is_found(whole: UnlistedStore, store: ScopedStore, finished: Path) -> None:
    path = first_file(finished, roles.SHARD).path
    data = bytearray(whole.objects[f"datasets/first/{path}"])
    data[700] ^= 1
    whole.objects[f"datasets/first/{path}"] = bytes(data)
    findings = audit(store).findings
    assert [(finding.check, finding.path) for finding in findings if finding.check == "checksum"] == [
        ("checksum", path)
    ]


def test_a_missing_object_is_found(whole: UnlistedStore, store: ScopedStore, finished: Path) -> None:
    path = first_file(finished, roles.SAMPLES).path
    whole.delete(f"datasets/first/{path}")
    assert ("missing", path) in {(finding.check, finding.path) for finding in audit(store).findings}


@pytest.mark.parametrize("reads", [1, 3, 10, 25])
def test_a_store_that_is_away_says_nothing_of_its_dataset(
    whole: UnlistedStore, store: ScopedStore, finished: Path, reads: int
) -> None:
    whole.reads_left = reads
    with pytest.raises(RetriableError):
        audit(store)
    whole.away, whole.reads_left = False, min(reads, 3)
    with pytest.raises(RetriableError):
        diff(finished, store)


def test_where_there_is_no_dataset_the_address_is_named(whole: UnlistedStore) -> None:
    with pytest.raises(ConfigurationError, match="datasets/second: there is no finished dataset"):
        audit(ScopedStore(whole, "datasets/second"))
