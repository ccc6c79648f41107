"""What each format of an export holds, and that foreign readers take it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pairmill.schemas import SAMPLES
from pairmill_explorer.subsets.exports.manifest import read_subset
from pairmill_protos.explorer.v1.subset_service_pb2 import Export, ExportState
from tests.fakes.subset_desks import OpenedDesk
from tests.integration.subsets.conftest import Rows

FORMATS = ("WEBDATASET", "PARQUET", "URLS", "IDS")


def kept(rows: Rows, *, stored: bool = False) -> dict[str, dict[str, Any]]:
    wanted = (row for row in rows if row["verdict"] == "kept" and (row["shard"] or not stored))
    return {row["sample_id"]: row for row in wanted}


def exported(opened: OpenedDesk, form: str) -> Export:
    opened.save(filters={"verdicts": ["kept"]}, seed=3)
    export = opened.export(form)
    assert export.state == ExportState.EXPORT_STATE_COMPLETE, export.error
    return export


def members(path: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]  # plain


def test_a_webdataset_holds_the_stored_members_of_all_samples_with_images(
    opened: OpenedDesk, stored: Path, rows: Rows
) -> None:
    export = exported(opened, "WEBDATASET")
    wanted = kept(rows, stored=True)
    originals = {
        name: data for tar in sorted((stored / "shards").glob("*.tar")) for name, data in members(tar)
    }
    tars = sorted((stored / export.folder / "data").glob("*.tar"))
    found = [pair for tar in tars for pair in members(tar)]
    assert {name.partition(".")[0] for name, _ in found} == wanted.keys()
    assert len(found) == 3 * len(wanted)
    assert all(originals[name] == data for name, data in found)
    assert [len(members(tar)) // 3 for tar in tars] == [150] * (len(wanted) // 150) + [len(wanted) % 150]
    assert export.samples_done == len(wanted)
    assert export.without_image == len(kept(rows)) - len(wanted)
    keys = [name.partition(".")[0] for name, _ in found[::3]]
    assert keys != sorted(keys)


def test_the_index_beside_a_tar_says_where_its_images_are(
    opened: OpenedDesk, stored: Path, rows: Rows
) -> None:
    export = exported(opened, "WEBDATASET")
    by_id = kept(rows)
    for tar in sorted((stored / export.folder / "data").glob("*.tar")):
        data, index = tar.read_bytes(), pq.read_table(tar.with_suffix(".parquet")).to_pylist()
        inside = dict(members(tar))
        assert [row["image_path"] for row in index] == [name for name in inside if name.endswith(".jpg")]
        for row in index:
            start = row["tar_offset"]
            assert data[start : start + row["tar_size"]] == inside[row["image_path"]]
            assert row["url"] == by_id[row["key"]]["URL"]
            assert row["similarity"] == pytest.approx(by_id[row["key"]]["similarity"])
        stats = json.loads(tar.with_name(f"{tar.stem}_stats.json").read_bytes())
        assert (stats["count"], stats["successes"]) == (len(index), len(index))


def test_parquet_holds_every_column_of_the_dataset(opened: OpenedDesk, stored: Path, rows: Rows) -> None:
    export = exported(opened, "PARQUET")
    found = pq.read_table(stored / export.folder / "data", schema=SAMPLES).to_pylist()
    by_id = {row["sample_id"]: row for row in found}
    wanted = kept(rows)
    assert by_id.keys() == wanted.keys()
    for key, row in wanted.items():
        for name, value in row.items():
            expected = pytest.approx(value) if isinstance(value, float) else value
            assert by_id[key][name] == expected


def test_urls_are_a_table_as_downloaders_take_it(opened: OpenedDesk, stored: Path, rows: Rows) -> None:
    export = exported(opened, "URLS")
    found = pq.read_table(stored / export.folder / "data").to_pylist()
    assert [row["sample_id"] for row in found] == sorted(kept(rows))
    assert {row["url"]: row["caption"] for row in found} == {
        row["URL"]: row["TEXT"] for row in kept(rows).values()
    }


@pytest.mark.parametrize("form", FORMATS)
def test_every_export_has_its_sorted_ids(opened: OpenedDesk, stored: Path, rows: Rows, form: str) -> None:
    export = exported(opened, form)
    array = np.load(stored / export.folder / "ids.npy")
    assert array.dtype == np.dtype("u8,u8")
    wanted = kept(rows, stored=form == "WEBDATASET")
    assert [f"{first:016x}{second:016x}" for first, second in array.tolist()] == sorted(wanted)


@pytest.mark.parametrize("form", FORMATS)
def test_a_manifest_names_every_file_and_what_it_was_cut_from(
    opened: OpenedDesk, stored: Path, rows: Rows, form: str
) -> None:
    export = exported(opened, form)
    manifest = read_subset(opened.store, export.export_id)
    assert manifest is not None
    folder = stored / export.folder
    assert {file.path for file in manifest.files} == {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "subset.json"
    }
    for file in manifest.files:
        info = opened.store.stat(export.folder + file.path)
        assert info is not None
        assert (info.size_bytes, info.sha256.hex()) == (file.bytes, file.sha256)
        assert opened.store.get(info.key, sha256=info.sha256)
    counts = manifest.counts
    assert counts.chosen == counts.written + counts.without_image + counts.corrupt
    assert counts.chosen == len(kept(rows))
    with opened.served.use() as snapshot:
        assert manifest.dataset_version == snapshot.dataset.manifest.version
        assert manifest.index_version == snapshot.index.version
    assert manifest.recipe["filters"]["verdicts"] == ["kept"]


def test_an_empty_subset_is_complete_and_has_no_parts(opened: OpenedDesk, stored: Path) -> None:
    opened.save(filters={"hosts": ["nowhere.test"]})
    for form in FORMATS:
        export = opened.export(form)
        assert export.state == ExportState.EXPORT_STATE_COMPLETE, export.error
        assert {path.name for path in (stored / export.folder).iterdir()} == {"ids.npy", "subset.json"}


@pytest.mark.filterwarnings("default")
def test_webdataset_reads_the_tars(opened: OpenedDesk, stored: Path, rows: Rows) -> None:
    import webdataset

    export = exported(opened, "WEBDATASET")
    tars = [str(path) for path in sorted((stored / export.folder / "data").glob("*.tar"))]
    reader = webdataset.WebDataset(tars, shardshuffle=False).decode("pil").to_tuple("jpg", "txt", "json")
    found = list(reader)
    assert len(found) == export.samples_done
    image, text, facts = found[0]
    assert image.size == (64, 64)
    assert text == facts["caption"]


@pytest.mark.filterwarnings("default")
def test_datasets_reads_the_tars(opened: OpenedDesk, stored: Path, tmp_path: Path) -> None:
    import datasets

    export = exported(opened, "WEBDATASET")
    files = sorted(str(path) for path in (stored / export.folder / "data").glob("*.tar"))
    found = datasets.load_dataset(
        "webdataset", data_files={"train": files}, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(found) == export.samples_done
    assert found[0]["txt"] == found[0]["json"]["caption"]
    assert found[0]["jpg"].size == (64, 64)


def test_plain_tar_readers_take_the_tars(opened: OpenedDesk, stored: Path) -> None:
    export = exported(opened, "WEBDATASET")
    for tar in (stored / export.folder / "data").glob("*.tar"):
        data = tar.read_bytes()
        assert len(data) % tarfile.RECORDSIZE == 0
        with tarfile.open(fileobj=io.BytesIO(data)) as opened_tar:
            assert all(member.isfile() for member in opened_tar)
