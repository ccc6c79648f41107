"""Exports that are killed, asked for twice, or meet damage and removals."""

from __future__ import annotations

import hashlib
import shutil
import signal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill.dataset.reader import Dataset
from pairmill.idarrays import words_of_bytes
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectInfo
from pairmill_explorer.errors import BadRequestError, NotFoundError
from pairmill_explorer.subsets.exports.job import JobShelf
from pairmill_explorer.subsets.exports.layout import JOBS, parts_folder
from pairmill_explorer.subsets.exports.manifest import read_subset
from pairmill_explorer.subsets.metrics import ExportMetrics
from pairmill_index.build import build_index
from pairmill_index.options import BuildOptions
from pairmill_index.remove import remove_samples
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    CancelExportRequest,
    DiffExportsRequest,
    ExportFormat,
    ExportState,
    GetExportRequest,
    ListExportsRequest,
    StartExportRequest,
)
from tests.fakes.failing_store import FailingStore
from tests.fakes.processes import Child, wait_until
from tests.fakes.stored_dataset import add_version
from tests.fakes.subset_desks import OpenedDesk, opened_desk
from tests.integration.subsets.conftest import ALL, COMPLETE, Rows


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


def ids_of(stored: Path, folder: str) -> set[str]:
    return {f"{first:016x}{second:016x}" for first, second in np.load(stored / folder / "ids.npy").tolist()}


def stamps(parts: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in parts.glob("*.json")}


@pytest.mark.parametrize("form", ["WEBDATASET", "PARQUET", "URLS", "IDS"])
def test_two_exports_of_the_same_cut_have_equal_bytes(stored: Path, tmp_path: Path, form: str) -> None:
    copy = Path(shutil.copytree(stored, tmp_path / "copy"))
    found = []
    for place in (stored, copy):
        with opened_desk(place, tmp_path / place.name) as opened:
            opened.save(**ALL)
            export = opened.export(form)
            assert export.state == COMPLETE, export.error
            found.append(bytes_of(place / export.folder))
    assert found[0] == found[1]


def test_the_same_export_again_is_the_one_that_is_complete(opened: OpenedDesk) -> None:
    opened.save(**ALL)
    first, again = opened.export("URLS"), opened.start("URLS")
    assert (again.export_id, again.state) == (first.export_id, COMPLETE)
    opened.save("other", **ALL)
    assert opened.start("URLS", "other").export_id == first.export_id
    assert opened.start("URLS", size=200).export_id != first.export_id


@pytest.mark.faults
def test_g1_an_export_that_is_killed_is_gone_on_with(stored: Path, tmp_path: Path) -> None:
    """Killed after each part but the last; parts that stand are not written again."""
    undisturbed = Path(shutil.copytree(stored, tmp_path / "undisturbed"))
    with opened_desk(undisturbed, tmp_path / "u") as opened:
        opened.save(**ALL)
        wanted = opened.export("WEBDATASET", size=120)
    with opened_desk(stored, tmp_path / "s", starts=False) as opened:
        opened.save(**ALL)
        opened.start("WEBDATASET", size=120)
        parts = stored / parts_folder(wanted.export_id)
    whole, stood = stored / wanted.folder / "subset.json", dict[str, int]()
    for count in (1, 3):
        with Child("tests.fakes.export_child", stored, tmp_path / "child") as child:
            wait_until(lambda enough=count: whole.exists() or len(stamps(parts)) >= enough)  # type: ignore[misc]  # an int
            child.signal(signal.SIGKILL)
            child.wait()
        now = stamps(parts)
        assert whole.exists() or stood.items() <= now.items()
        stood = now
    with opened_desk(stored, tmp_path / "s") as opened:
        export = opened.ended(opened.start("WEBDATASET", size=120))
        assert export.state == COMPLETE, export.error
    assert bytes_of(stored / export.folder) == bytes_of(undisturbed / wanted.folder)
    assert not list(stored.glob(f"{JOBS}{export.export_id}/parts/*.json"))


def test_a_part_whose_file_is_gone_is_written_again(stored: Path, tmp_path: Path) -> None:
    """Noted parts of which one lost a file and one was cut short."""
    store = FailingStore(DirectoryStore(stored), fails="/00003.tar", times=1)
    with opened_desk(store, tmp_path / "s") as opened:
        opened.save(**ALL)
        failed = opened.export("WEBDATASET", size=100)
        assert failed.state == ExportState.EXPORT_STATE_FAILED
        noted = JobShelf(store).parts(failed.export_id)
        assert {0, 1} <= set(noted)
        data = stored / failed.folder / "data"
        (data / "00000.tar").unlink()
        (data / "00001.parquet").write_bytes(b"")
        export = opened.export("WEBDATASET", size=100)
        assert export.state == COMPLETE, export.error
    manifest = read_subset(store, export.export_id)
    assert manifest is not None
    written = {file.path: (stored / export.folder / file.path).read_bytes() for file in manifest.files}
    assert {file.path: file.sha256 for file in manifest.files} == {
        path: hashlib.sha256(data).hexdigest() for path, data in written.items()
    }


def test_a_part_that_holds_other_rows_than_it_is_to_hold_is_written_again(
    stored: Path, tmp_path: Path
) -> None:
    """As where a query's edge fell elsewhere on the machine that wrote it: part 1 stands as part 0."""
    store = FailingStore(DirectoryStore(stored), fails="/00003.tar", times=1)
    with opened_desk(store, tmp_path / "s") as opened:
        opened.save(**ALL)
        failed, shelf = opened.export("WEBDATASET", size=100), JobShelf(store)
        tars = [stored / failed.folder / "data" / f"0000{number}.tar" for number in (0, 1)]
        noted, wanted = shelf.parts(failed.export_id), tars[0].read_bytes()
        tar, *beside = noted[1].files
        moved = msgspec.structs.replace(tar, path=tar.path.replace("00001", "00000"))
        shelf.note_part(failed.export_id, msgspec.structs.replace(noted[1], number=0, files=(moved, *beside)))
        store.put_file(failed.folder + moved.path, tars[1])
        store.put(failed.folder + "data/00099.tar", b"a part behind the last one of now")
        export = opened.export("WEBDATASET", size=100)
        assert export.state == COMPLETE, export.error
    assert tars[0].read_bytes() == wanted
    assert not (stored / export.folder / "data" / "00099.tar").exists()


def test_an_export_whose_files_are_removed_at_work_is_not_complete_without_them(
    stored: Path, tmp_path: Path
) -> None:
    """As by a cancel elsewhere that was followed by a start before anybody looked."""

    class Removing(FailingStore):
        def put_file(self, key: str, path: Path) -> ObjectInfo:
            if key.endswith("ids.npy") and self.times_left:
                self.times_left = 0
                self.delete(key.replace("ids.npy", "data/00000.parquet"))
            return super().put_file(key, path)

    store = Removing(DirectoryStore(stored), fails="no key", times=1)
    with opened_desk(store, tmp_path / "s", delays=(0.01,)) as opened:
        opened.save(**ALL)
        export = opened.export("URLS")
        assert export.state == COMPLETE, export.error
    assert store.times_left == 0
    assert (stored / export.folder / "data" / "00000.parquet").is_file()


def test_g4_a_damaged_sample_is_left_out_and_named(opened: OpenedDesk, stored: Path) -> None:
    opened.save(filters={"safe_mode": "SAFE_MODE_SHOW"})
    tar = sorted((stored / "shards").glob("*.tar"))[0]
    whole = opened.export("WEBDATASET")
    opened.desk.cancel_export(CancelExportRequest(export_id=whole.export_id))
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    export = opened.export("WEBDATASET")
    manifest = read_subset(opened.store, export.export_id)
    assert manifest is not None
    damaged = data[:32].decode()
    held = ids_of(stored, export.folder)
    assert (manifest.corrupt_ids, manifest.counts.corrupt) == ((damaged,), 1)
    assert damaged not in held
    assert len(held) == manifest.counts.written == whole.samples_done - 1


def test_a_shard_that_is_gone_ends_the_export_with_its_name(opened: OpenedDesk, stored: Path) -> None:
    opened.save(**ALL)
    tar = sorted((stored / "shards").glob("*.tar"))[0]
    tar.unlink()
    export = opened.export("WEBDATASET")
    assert export.state == ExportState.EXPORT_STATE_FAILED
    assert tar.name in export.error


def test_g8_what_was_removed_is_in_no_export(opened: OpenedDesk, stored: Path, tmp_path: Path) -> None:
    opened.save(**ALL)
    before = ids_of(stored, opened.export("IDS").folder)
    removed = sorted(before)[:5]
    ids = words_of_bytes(bytes.fromhex("".join(removed)), 16)
    remove_samples(DirectoryStore(stored), ids, scratch=tmp_path)
    opened.served.refresh()
    for form in ("IDS", "WEBDATASET", "PARQUET", "URLS"):
        export = opened.export(form)
        assert export.state == COMPLETE, export.error
        assert not ids_of(stored, export.folder) & set(removed)
        if form == "IDS":
            assert ids_of(stored, export.folder) == before - set(removed)


def test_g8_an_export_during_which_samples_are_removed_is_not_completed(stored: Path, tmp_path: Path) -> None:
    with opened_desk(stored, tmp_path / "s", starts=False) as opened:
        opened.save(**ALL)
        export = opened.start("URLS")
        with opened.served.use() as snapshot:
            ids = np.array(snapshot.index.segments[0].ids[:400])
        remove_samples(DirectoryStore(stored), ids, scratch=tmp_path)
    with opened_desk(stored, tmp_path / "s") as opened:
        ended = opened.ended(export)
        assert ended.state == ExportState.EXPORT_STATE_FAILED
        assert "removed" in ended.error
        assert not [path for path in (stored / export.folder).rglob("*") if path.is_file()]
        assert not JobShelf(opened.store).parts(export.export_id)
        again = opened.start("URLS")
        assert again.export_id != export.export_id
        assert opened.ended(again).state == COMPLETE


def test_an_export_keeps_to_the_index_version_that_it_began_with(stored: Path, tmp_path: Path) -> None:
    with opened_desk(stored, tmp_path / "s", starts=False) as opened:
        opened.save(**ALL)
        export = opened.start("URLS")
    nobody = words_of_bytes(bytes(16), 16)
    remove_samples(DirectoryStore(stored), nobody, scratch=tmp_path)
    with opened_desk(stored, tmp_path / "s") as opened:
        with opened.served.use() as snapshot:
            serving = snapshot.index.version
        ended = opened.ended(export)
        assert ended.state == COMPLETE, ended.error
        job = JobShelf(opened.store).job(export.export_id)
        assert job is not None
        assert job.index_version != serving


def test_a_recipe_is_run_again_on_a_later_version_and_the_difference_is_told(
    opened: OpenedDesk, stored: Path, rows: Rows, tmp_path: Path
) -> None:
    opened.save(**ALL)
    old = opened.export("IDS")
    changed = [dict(row) for row in rows]
    for row in changed[:100]:
        row["verdict"] = "filtered" if row["verdict"] == "kept" else "kept"
    add_version(stored, changed)
    store = DirectoryStore(stored)
    build_index(Dataset.open(store), store, BuildOptions(), scratch=tmp_path)
    opened.served.refresh()
    new = opened.export("IDS")
    assert new.dataset_version != old.dataset_version
    request = DiffExportsRequest(old_export_id=old.export_id, new_export_id=new.export_id, examples=1000)
    found = opened.desk.diff_exports(request)
    was = {row["sample_id"] for row in rows[:100] if row["verdict"] == "kept"}
    came = {row["sample_id"] for row in rows[:100] if row["verdict"] != "kept"}
    assert (set(found.removed_ids), set(found.added_ids)) == (was, came)
    assert found.common == old.samples_done - len(was)


def test_exports_are_counted_by_how_they_ended(stored: Path, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    metrics = ExportMetrics(registry)

    def measured(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"pairmill_{name}", labels)

    assert measured("exports_total", state="failed") == 0
    with opened_desk(stored, tmp_path / "s", ended=metrics.ended) as opened:
        metrics.show_open(lambda: opened.line.open_count)
        opened.save(**ALL)
        export = opened.export("URLS")
        next((stored / "shards").glob("*.tar")).unlink()
        opened.export("WEBDATASET")
        wait_until(lambda: measured("exports_open") == 0)
    assert measured("exports_total", state="complete") == measured("exports_total", state="failed") == 1
    assert measured("exported_samples_total") == export.samples_done
    assert measured("exported_bytes_total") == export.bytes_done


def test_exports_are_listed_the_newest_first(opened: OpenedDesk) -> None:
    opened.save(**ALL)
    opened.save("other", size=5)
    wanted = [opened.export("URLS"), opened.export("IDS"), opened.export("IDS", "other")]
    found = opened.desk.list_exports(ListExportsRequest()).exports
    assert [export.export_id for export in found] == [export.export_id for export in reversed(wanted)]
    named = opened.desk.list_exports(ListExportsRequest(name="other")).exports
    assert [export.export_id for export in named] == [wanted[2].export_id]


def test_h2_requests_that_make_no_sense_are_refused(opened: OpenedDesk) -> None:
    opened.save(**ALL)
    export = opened.export("IDS")
    ids = ExportFormat.EXPORT_FORMAT_IDS
    for request in (
        StartExportRequest(name="some"),
        StartExportRequest(name="some", format=ids, shard_samples=99),
        StartExportRequest(name="some", format=ids, shard_samples=1_000_001),
        StartExportRequest(name="../some", format=ids),
    ):
        with pytest.raises(BadRequestError):
            opened.desk.start_export(request)
    with pytest.raises(NotFoundError):
        opened.desk.start_export(StartExportRequest(name="some", format=ids, revision=7))
    for export_id in ("", "../../dataset", "0" * 24):
        with pytest.raises(NotFoundError):
            opened.desk.get_export(GetExportRequest(export_id=export_id))
    with pytest.raises(BadRequestError):
        opened.desk.diff_exports(
            DiffExportsRequest(old_export_id=export.export_id, new_export_id=export.export_id, examples=1001)
        )


def test_the_clock_of_a_meter_says_what_is_left() -> None:
    from pairmill_explorer.subsets.exports.meter import Meter

    class Clock(SystemClock):
        time = 0.0

        def monotonic(self) -> float:
            return self.time

    clock = Clock()
    meter = Meter(clock)
    meter.begin(total=100, standing=20, standing_bytes=5, without_image=1)
    assert meter.read().remaining_seconds is None
    clock.time = 10.0
    meter.advance(40, 100)
    reading = meter.read()
    assert (reading.samples_done, reading.bytes_done, reading.remaining_seconds) == (60, 105, 10.0)
