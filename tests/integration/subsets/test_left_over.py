"""What exports leave behind that failed or were cancelled, and what it costs to list them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from pairmill.clock import SystemClock
from pairmill.errors import NoSpaceError
from pairmill.idarrays import words_of_bytes
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.subsets.exports.job import End, JobShelf, PartRecord
from pairmill_explorer.subsets.exports.layout import JOBS, end_key, manifest_key, part_name
from pairmill_index.layout import version_key
from pairmill_index.remove import remove_samples
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    CancelExportRequest,
    Export,
    ExportState,
    ListExportsRequest,
)
from tests.fakes.failing_store import FailingStore
from tests.fakes.processes import wait_until
from tests.fakes.subset_desks import opened_desk
from tests.integration.subsets.conftest import ALL, COMPLETE


class Counting(FailingStore):
    """Counts what it is asked for."""

    def __init__(self, dataset: Path) -> None:
        super().__init__(DirectoryStore(dataset), fails="", times=0)
        self.read: list[str] = []

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        self.read.append(key)
        return super().get(key, sha256=sha256)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_g1_a_cancel_that_was_cut_off_is_ended_by_the_next_explorer(stored: Path, tmp_path: Path) -> None:
    """Cut off after its note and before the files are removed; others stay as they are."""
    store = FailingStore(DirectoryStore(stored), fails="", times=0)
    with opened_desk(store, tmp_path / "s") as opened:
        opened.save(**ALL)
        stays, export = opened.export("IDS"), opened.export("WEBDATASET")
        wait_until(lambda: not opened.line.is_busy)  # else the line removes the files too
        store.fails_at(manifest_key(export.export_id))
        with pytest.raises(NoSpaceError):
            opened.desk.cancel_export(CancelExportRequest(export_id=export.export_id))
    assert files_in(stored / export.folder)
    with opened_desk(stored, tmp_path / "s") as opened:
        wait_until(lambda: not files_in(stored / export.folder))
        assert opened.ended(export).state == ExportState.EXPORT_STATE_CANCELLED
        assert opened.ended(stays).state == COMPLETE
        assert files_in(stored / stays.folder)
        assert opened.export("WEBDATASET").state == COMPLETE


def test_an_export_that_is_asked_for_again_is_not_taken_for_a_cancel_that_was_cut_off(
    stored: Path, tmp_path: Path
) -> None:
    with opened_desk(stored, tmp_path / "s") as opened:
        opened.save(**ALL)
        export, shelf = opened.export("IDS"), JobShelf(opened.store)
        assert not shelf.remove_left(export.export_id, End.CANCELLED)
        shelf.forget_end(export.export_id)
        assert not shelf.remove_left(export.export_id, End.CANCELLED)
        assert files_in(stored / export.folder)


def test_an_export_that_failed_keeps_what_stands_until_it_is_cancelled(stored: Path, tmp_path: Path) -> None:
    store = FailingStore(DirectoryStore(stored), fails="/00002.tar", times=9)
    with opened_desk(store, tmp_path / "s") as opened:
        opened.save(**ALL)
        failed = opened.export("WEBDATASET")
        assert failed.state == ExportState.EXPORT_STATE_FAILED
        assert JobShelf(store).parts(failed.export_id)
        assert files_in(stored / failed.folder)
        opened.desk.cancel_export(CancelExportRequest(export_id=failed.export_id))
        assert not JobShelf(store).parts(failed.export_id)
        assert not files_in(stored / failed.folder)


def failed_export(stored: Path, tmp_path: Path) -> Export:
    """Returns an export that failed and kept a part."""
    store = FailingStore(DirectoryStore(stored), fails="/00002.tar", times=9)
    with opened_desk(store, tmp_path / "s") as opened:
        opened.save(**ALL)
        failed = opened.export("WEBDATASET")
    assert failed.state == ExportState.EXPORT_STATE_FAILED
    assert files_in(stored / failed.folder)
    return failed


class DaysLater(SystemClock):
    """Two days from now."""

    def now(self) -> datetime:
        return super().now() + timedelta(days=2)


def test_what_a_failed_export_of_an_old_index_wrote_is_swept_after_a_day(
    stored: Path, tmp_path: Path
) -> None:
    failed, store = failed_export(stored, tmp_path), DirectoryStore(stored)
    remove_samples(store, words_of_bytes(bytes(16), 16), scratch=tmp_path)  # a version that lacks no sample
    with opened_desk(stored, tmp_path / "s") as opened:
        complete = opened.export("IDS")  # the line looks before it carries out one
        assert JobShelf(store).parts(failed.export_id)
    with opened_desk(stored, tmp_path / "s", clock=DaysLater()) as opened:
        wait_until(lambda: not files_in(stored / failed.folder))
        assert not JobShelf(store).parts(failed.export_id)
        shown = opened.ended(failed)
        assert (shown.state, shown.error) == (failed.state, failed.error)
        assert opened.export("IDS").export_id == complete.export_id
        assert files_in(stored / complete.folder)


def test_what_can_be_gone_on_with_is_not_swept(stored: Path, tmp_path: Path) -> None:
    failed = failed_export(stored, tmp_path)
    with opened_desk(stored, tmp_path / "s", clock=DaysLater()) as opened:
        assert opened.export("IDS").state == COMPLETE
        assert JobShelf(opened.store).parts(failed.export_id)
        assert opened.export("WEBDATASET").export_id == failed.export_id


@pytest.mark.parametrize("refused", [0, 1], ids=["at once", "g2 once the store is back"])
def test_an_export_whose_index_version_is_gone_keeps_nothing(
    stored: Path, tmp_path: Path, refused: int
) -> None:
    """Nobody can go on with it: asked for again, it is another export."""
    with opened_desk(stored, tmp_path / "s", starts=False) as opened:
        opened.save(**ALL)
        export, shelf = opened.start("URLS"), JobShelf(opened.store)
        job = shelf.job(export.export_id)
        assert job is not None
        shelf.note_part(export.export_id, PartRecord(number=0, rows=1, files=()))
        opened.store.put(export.folder + part_name(0, ".parquet"), b"a part")
    remove_samples(DirectoryStore(stored), words_of_bytes(bytes(16), 16), scratch=tmp_path)
    DirectoryStore(stored).delete(version_key(job.index_version))
    store = FailingStore(DirectoryStore(stored), fails=manifest_key(export.export_id), times=refused)
    with opened_desk(store, tmp_path / "s", delays=(0.01,)) as opened:
        ended = opened.ended(export)
        assert (ended.state, "start the export again" in ended.error) == (
            ExportState.EXPORT_STATE_FAILED,
            True,
        )
        assert not files_in(stored / export.folder)
        assert not shelf.parts(export.export_id)
        assert opened.export("URLS").state == COMPLETE


def test_a_list_of_exports_reads_one_object_of_each(stored: Path, tmp_path: Path) -> None:
    with opened_desk(stored, tmp_path / "s") as opened:
        opened.save(**ALL)
        ended = [opened.export(form) for form in ("IDS", "URLS")]
    store = Counting(stored)
    with opened_desk(store, tmp_path / "s", starts=False) as opened:
        waits = opened.start("PARQUET")
        store.read.clear()
        found = opened.desk.list_exports(ListExportsRequest()).exports
    assert [one.export_id for one in found] == [one.export_id for one in (waits, *reversed(ended))]
    assert {one.export_id: one for one in found} == {one.export_id: one for one in (waits, *ended)}
    read = [key.removeprefix(JOBS) for key in store.read]
    assert sorted(read) == sorted(
        [f"{waits.export_id}/job.json", *(f"{one.export_id}/end.json" for one in ended)]
    )


def test_ends_that_an_earlier_version_noted_are_listed_too(stored: Path, tmp_path: Path) -> None:
    """They do not say what the export is: that is read beside them."""
    with opened_desk(stored, tmp_path / "s") as opened:
        opened.save(**ALL)
        export = opened.export("IDS")
        end = JobShelf(opened.store).end(export.export_id)
        assert end is not None
        facts = {name: value for name, value in msgspec.to_builtins(end).items() if name != "head"}
        opened.store.put(end_key(export.export_id), msgspec.json.encode(facts))
        assert [one.export_id for one in opened.desk.list_exports(ListExportsRequest()).exports] == [
            export.export_id
        ]
