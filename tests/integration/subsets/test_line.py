"""Exports in their line: asked for, asked for again, cancelled, or waiting for a store that is away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.errors import RetriableError
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ListedObject, ObjectInfo
from pairmill_explorer.subsets.exports.job import End, EndRecord
from pairmill_explorer.subsets.exports.layout import JOBS
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    CancelExportRequest,
    DiffExportsRequest,
    ExportState,
)
from tests.fakes.failing_store import FailingStore
from tests.fakes.processes import wait_until
from tests.fakes.subset_desks import OpenedDesk, opened_desk
from tests.integration.subsets.conftest import ALL, COMPLETE


def test_an_explorer_that_starts_anew_goes_on_with_what_was_asked_for(stored: Path, tmp_path: Path) -> None:
    with opened_desk(stored, tmp_path / "s", starts=False) as opened:
        opened.save(**ALL)
        asked = [opened.start(form) for form in ("URLS", "IDS")]
        assert {export.state for export in asked} == {ExportState.EXPORT_STATE_QUEUED}
    with opened_desk(stored, tmp_path / "s") as opened:
        assert [opened.ended(export).state for export in asked] == [COMPLETE] * 2


def test_g2_what_was_asked_for_is_gone_on_with_although_the_store_was_away_at_the_start(
    stored: Path, tmp_path: Path
) -> None:
    with opened_desk(stored, tmp_path / "s", starts=False) as opened:
        opened.save(**ALL)
        asked = opened.start("URLS")
    away = [True]

    class Away(FailingStore):
        def list(self, prefix: str) -> Iterator[ListedObject]:
            if prefix == JOBS and away:
                away.pop()
                raise RetriableError("the store is away")
            return super().list(prefix)

    with opened_desk(Away(DirectoryStore(stored), fails="", times=0), tmp_path / "s") as opened:
        wait_until(lambda: not away and not opened.line.is_busy)
        assert opened.export("IDS").state == COMPLETE  # the line looks again before and after it
        assert opened.ended(asked).state == COMPLETE


def test_a_cancelled_export_leaves_nothing_and_may_be_asked_for_again(
    opened: OpenedDesk, stored: Path
) -> None:
    opened.save(**ALL)
    export = opened.export("WEBDATASET")
    cancelled = opened.desk.cancel_export(CancelExportRequest(export_id=export.export_id)).export
    assert cancelled.state == ExportState.EXPORT_STATE_CANCELLED
    assert not [path for path in (stored / export.folder).rglob("*") if path.is_file()]
    assert opened.export("WEBDATASET").state == COMPLETE


def test_an_export_that_is_at_work_is_cancelled_and_removed(stored: Path, tmp_path: Path) -> None:
    held, go_on = threading.Event(), threading.Event()

    class Holding(FailingStore):
        def put_file(self, key: str, path: Path) -> ObjectInfo:
            if key.endswith("00002.tar"):
                held.set()
                go_on.wait(60)
            return super().put_file(key, path)

    ends: list[EndRecord] = []
    store = Holding(DirectoryStore(stored), fails="", times=0)
    with opened_desk(store, tmp_path / "s", ended=ends.append) as opened:
        opened.save(**ALL)
        export = opened.start("WEBDATASET")
        assert held.wait(60)
        cancelled = opened.desk.cancel_export(CancelExportRequest(export_id=export.export_id)).export
        assert cancelled.state == ExportState.EXPORT_STATE_CANCELLED
        with pytest.raises(RetriableError):
            opened.start("WEBDATASET")
        go_on.set()
        wait_until(lambda: opened.line.open_count == 0 and bool(ends))
        assert [end.state for end in ends] == [End.CANCELLED]
        assert not [path for path in (stored / export.folder).rglob("*") if path.is_file()]
        assert not list(stored.glob(f"{JOBS}{export.export_id}/parts/*.json"))
        assert opened.export("WEBDATASET").state == COMPLETE


def test_an_export_is_not_started_while_what_was_cancelled_of_it_is_removed(
    stored: Path, tmp_path: Path
) -> None:
    held, go_on, refused = threading.Event(), threading.Event(), list[bool]()

    class Asking(FailingStore):
        """Asks for the export again at the moment that the line notes its cancel."""

        def put_file(self, key: str, path: Path) -> ObjectInfo:
            if key.endswith("00002.tar") and not go_on.is_set():
                held.set()
                go_on.wait(60)
            return super().put_file(key, path)

        def put(self, key: str, data: bytes) -> ObjectInfo:
            if go_on.is_set() and b"cancelled" in data and not refused:
                try:
                    opened.start("WEBDATASET")
                except RetriableError:
                    refused.append(True)
                else:
                    refused.append(False)
            return super().put(key, data)

    store = Asking(DirectoryStore(stored), fails="", times=0)
    with opened_desk(store, tmp_path / "s") as opened:
        opened.save(**ALL)
        export = opened.start("WEBDATASET")
        assert held.wait(60)
        opened.desk.cancel_export(CancelExportRequest(export_id=export.export_id))
        go_on.set()
        wait_until(lambda: bool(refused) and opened.line.open_count == 0)
        assert refused == [True]
        assert opened.export("WEBDATASET").state == COMPLETE


def test_an_export_that_waits_is_cancelled_at_once(stored: Path, tmp_path: Path) -> None:
    with opened_desk(stored, tmp_path / "s", starts=False) as opened:
        opened.save(**ALL)
        export = opened.start("URLS")
        opened.desk.cancel_export(CancelExportRequest(export_id=export.export_id))
        assert opened.line.standing("dataset", export.export_id) is None
    with opened_desk(stored, tmp_path / "s") as opened:
        assert opened.ended(export).state == ExportState.EXPORT_STATE_CANCELLED


def test_g2_a_store_that_is_full_for_a_while_costs_time_only(stored: Path, tmp_path: Path) -> None:
    store = FailingStore(DirectoryStore(stored), fails="/00001.tar", times=2)
    with opened_desk(store, tmp_path / "s", delays=(0.01, 0.01, 0.01)) as opened:
        opened.save(**ALL)
        assert opened.export("WEBDATASET").state == COMPLETE
    assert store.times_left == 0


def test_g2_a_store_that_stays_full_ends_the_export_with_its_reason(stored: Path, tmp_path: Path) -> None:
    store = FailingStore(DirectoryStore(stored), fails="/00001.tar", times=9)
    with opened_desk(store, tmp_path / "s", delays=(0.01,)) as opened:
        opened.save(**ALL)
        export = opened.export("WEBDATASET")
        assert export.state == ExportState.EXPORT_STATE_FAILED
        assert "no space" in export.error
        store.times_left = 0
        assert opened.export("WEBDATASET").state == COMPLETE


def test_an_export_that_is_asked_for_again_the_moment_it_failed_is_carried_out(
    stored: Path, tmp_path: Path
) -> None:
    store = FailingStore(DirectoryStore(stored), fails="/00001.tar", times=1)
    ends: list[End] = []

    def ask_again(end: EndRecord) -> None:
        """Is told before the export has left the line."""
        ends.append(end.state)
        if end.state is End.FAILED:
            opened.start("WEBDATASET")

    with opened_desk(store, tmp_path / "s", ended=ask_again) as opened:
        opened.save(**ALL)
        opened.start("WEBDATASET")
        wait_until(lambda: len(ends) == 2)
    assert ends == [End.FAILED, End.COMPLETE]


class Elsewhere(FailingStore):
    """A store that is no folder, and notes which local files it is given and asked for."""

    def __init__(self, dataset: Path) -> None:
        super().__init__(DirectoryStore(dataset), fails="", times=0)
        self.local: list[Path] = []

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        self.local.append(path)
        return super().put_file(key, path)

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        self.local.append(path)
        return super().fetch(key, path, sha256=sha256)


@pytest.mark.parametrize("form", ["WEBDATASET", "PARQUET", "IDS"])
def test_a17_files_on_their_way_to_a_bucket_lie_in_the_scratch_folder(
    stored: Path, tmp_path: Path, form: str
) -> None:
    """Those that a killed explorer left there are removed by the next export."""
    store, scratch = Elsewhere(stored), tmp_path / "s"
    left = scratch / "line" / ".work" / ("index-" + "0" * 16)
    left.mkdir(parents=True)
    (left / "object").write_bytes(b"half")
    with opened_desk(store, scratch) as opened:
        opened.save(**ALL)
        export = opened.export(form)
        assert export.state == COMPLETE, export.error
        opened.desk.diff_exports(
            DiffExportsRequest(old_export_id=export.export_id, new_export_id=export.export_id)
        )
    assert store.local
    assert [path for path in store.local if scratch not in path.parents] == []
    assert list((scratch / "line" / ".work").iterdir()) == []
