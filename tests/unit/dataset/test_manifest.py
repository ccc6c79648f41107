"""The manifest: deterministic, complete, and the same to read whether it is split or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pairmill.dataset import roles
from pairmill.dataset.manifest import (
    FileEntry,
    FunnelRow,
    Manifest,
    content_version,
    new_manifest,
    parse_manifest,
    read_manifest,
    with_report,
)
from pairmill.dataset.manifest_files import open_manifest, split_manifest, write_manifest
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError, CorruptObjectError, InvalidRecordError
from pairmill.store.directory import DirectoryStore
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options, save_manifest, small_spec
from tests.fakes.dataset_world import make_world


def _entry(path: str, role: str = roles.SHARD, rows: int = 3) -> FileEntry:
    return FileEntry(path=path, role=role, rows=rows, bytes=10, sha256="0" * 64)


def _manifest(*files: FileEntry, state: str = "complete") -> Manifest:
    row = FunnelRow(stage="dataset", outcome="in", reason="", count=3)
    return new_manifest(spec=small_spec(), state=state, why=[], funnel=[row], files=files)


def test_the_bytes_do_not_depend_on_the_order_of_files() -> None:
    one = _manifest(_entry("a.tar"), _entry("b.tar"))
    other = _manifest(_entry("b.tar"), _entry("a.tar"))
    assert one.to_json() == other.to_json()
    assert [entry.path for entry in one.files] == ["a.tar", "b.tar"]


def test_the_version_follows_the_content_but_not_the_report() -> None:
    plain = _manifest(_entry("a.tar"))
    assert _manifest(_entry("a.tar"), _entry("report.html", roles.REPORT)).version == plain.version
    assert _manifest(_entry("a.tar", rows=4)).version != plain.version
    assert _manifest(_entry("a.tar"), state="incomplete").version != plain.version


def test_the_report_is_listed_last_without_another_version() -> None:
    plain = _manifest(_entry("a.tar"), _entry("z.tar"))
    told = with_report(plain, _entry("report.html", roles.REPORT))
    assert [entry.path for entry in told.files] == ["a.tar", "report.html", "z.tar"]
    assert told.version == plain.version == content_version(told, told.files)
    assert with_report(told, _entry("report.html", roles.REPORT)) == told


def test_what_is_written_is_read_again() -> None:
    manifest = _manifest(_entry("a.tar"))
    again = parse_manifest(manifest.to_json())
    assert again == manifest
    assert again.spec() == small_spec()
    assert (again.profile, again.bundle["name"]) == ("default", "tiny")


def test_the_json_has_the_fields_that_tools_look_for() -> None:
    fields = json.loads(_manifest(_entry("a.tar")).to_json())
    assert fields["files"] == [{"path": "a.tar", "role": "shard", "rows": 3, "bytes": 10, "sha256": "0" * 64}]
    assert fields["funnel"] == [{"stage": "dataset", "outcome": "in", "reason": "", "count": 3}]
    assert {"job", "bundle", "profile", "version", "schema_version", "id_version", "code_version"} <= set(
        fields
    )


@pytest.mark.parametrize("limit", [10_000, 10])
def test_g7_files_are_read_alike_from_the_manifest_and_from_its_parts(limit: int, tmp_path: Path) -> None:
    files = [_entry(f"shards/{number:05d}.tar") for number in range(200)]
    manifest = _manifest(*files, _entry("data/en/part-0.parquet", roles.SAMPLES))
    save_manifest(tmp_path, manifest, limit)
    reader = open_manifest(tmp_path)
    assert reader.manifest.is_split == (limit == 10)
    assert list(reader.files(roles.SHARD)) == files
    assert tuple(reader.files()) == manifest.files
    assert reader.manifest.version == manifest.version


def test_more_than_10_000_files_stand_in_parts() -> None:
    files = [_entry(f"shards/{number:06d}.tar") for number in range(10_001)]
    short, parts = split_manifest(_manifest(*files))
    assert [entry.rows for entry in short.files] == [10_001]
    assert {entry.path for entry in short.files} == set(parts)
    assert all(entry.path.startswith("manifest/part-") for entry in short.files)


def test_a_damaged_part_is_refused(tmp_path: Path) -> None:
    save_manifest(tmp_path, _manifest(*(_entry(f"{number:03d}.tar") for number in range(20))), limit=5)
    part = next((tmp_path / "manifest").iterdir())
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptObjectError, match="checksum"):
        list(open_manifest(tmp_path).files())


def test_the_writer_stores_parts_first_and_names_what_it_wrote(tmp_path: Path) -> None:
    with DirectoryStore(tmp_path) as store:
        ref = write_manifest(store, _manifest(_entry("a.tar")))
        assert ref.key == "dataset.json"
        assert open_manifest(store).manifest == read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda fields: fields.pop("funnel"), "funnel"),
        (lambda fields: fields["files"][0].update(path="../../etc/passwd"), "no path within"),
        (lambda fields: fields["files"][0].update(path="/etc/passwd"), "no path within"),
        (lambda fields: fields["files"][0].update(sha256="abc"), "64 hex"),
        (lambda fields: fields["files"][0].update(rows=-1), "rows"),
        (lambda fields: fields["files"][0].update(rows="3"), "rows"),
        (lambda fields: fields.update(files=3), "cannot be read"),
    ],
    ids=["no-funnel", "path-out", "path-absolute", "sha256", "negative", "text", "no-list"],
)
def test_a_manifest_that_is_none_is_refused_with_the_reason(change: object, message: str) -> None:
    fields = json.loads(_manifest(_entry("a.tar")).to_json())
    assert callable(change)
    change(fields)
    with pytest.raises(InvalidRecordError, match=message):
        parse_manifest(json.dumps(fields).encode())


def test_a_folder_without_a_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset\.json"):
        read_manifest(tmp_path)
    with pytest.raises(ConfigurationError, match=r"dataset\.json"):
        Dataset.open(tmp_path)


def test_the_reader_goes_through_the_manifest(finished: Path) -> None:
    dataset = Dataset.open(finished)
    passed = sum(
        batch.column("outcome").to_pylist().count("passed") for batch in dataset.shard_index(["outcome"])
    )
    samples = sum(len(batch) for batch in dataset.samples(["sample_id"]))
    assert samples == passed > 0
    threes = list(dataset.embeddings())
    assert threes
    assert all(three.image.rows == three.text.rows == three.metadata.rows for three in threes)
    assert sum(1 for _ in dataset.ledger()) == sum(entry.rows for entry in dataset.files(roles.LEDGER))


def test_a15_whoever_ends_a_job_writes_the_same_manifest(tmp_path: Path) -> None:
    options = Options(world=make_world(candidates=30), dead_stage=Stage.STAGE_EMBED)
    for name in ("one", "two"):
        build_dataset(tmp_path / name, options)
    assert (tmp_path / "one/dataset.json").read_bytes() == (tmp_path / "two/dataset.json").read_bytes()


def test_a1_other_attempts_give_the_same_funnel(tmp_path: Path) -> None:
    world = make_world(candidates=40)
    one = build_dataset(tmp_path / "one", Options(world=world))
    other = build_dataset(tmp_path / "other", Options(world=world, attempt_seed=2, shuffled=True))
    assert one.funnel == other.funnel
    assert {entry.path for entry in one.files} != {entry.path for entry in other.files}
    assert one.version != other.version
