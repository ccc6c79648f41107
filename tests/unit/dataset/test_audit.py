"""The audit closes on a dataset that is as it should be, and names what is wrong with any other."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairmill.dataset import roles
from pairmill.dataset.audit import AuditReport, audit
from pairmill.dataset.funnel import DATASET, IN
from pairmill.dataset.manifest import FunnelRow, Manifest, content_version, read_manifest
from pairmill.store.directory import DirectoryStore
from pairmill_protos.job.v1.job_pb2 import ImagePolicy
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options, file_entry, save_manifest, small_spec
from tests.fakes.dataset_world import make_world
from tests.unit.dataset.conftest import first_file

WORLD = make_world(candidates=40)


def _found(report: AuditReport, check: str) -> list[str]:
    return [str(finding) for finding in report.findings if finding.check == check]


def _says(report: AuditReport, check: str, *words: str) -> bool:
    return any(all(word in text for word in words) for text in _found(report, check))


def test_a_finished_dataset_closes(finished: Path) -> None:
    report = audit(finished)
    assert report.findings == ()
    assert report.closes
    manifest = read_manifest(finished)
    by_outcome = {(row.outcome, row.reason): row.count for row in manifest.funnel if row.stage == DATASET}
    assert by_outcome.pop((IN, "")) == report.candidates == 70
    assert by_outcome == report.final
    assert {"kept", "filtered", "failed"} <= {outcome for outcome, _ in report.final}


def test_a_store_is_audited_like_a_folder(finished: Path, tmp_path: Path) -> None:
    with DirectoryStore(tmp_path) as store:
        for path in sorted(finished.rglob("*")):
            if path.is_file():
                store.put_file(str(path.relative_to(finished)), path)
        assert audit(store).closes


def test_progress_ends_at_all_bytes(finished: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = audit(finished, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (report.bytes, report.bytes)


@pytest.mark.parametrize(
    "options",
    [
        Options(world=WORLD, dead_stage=Stage.STAGE_DOWNLOAD),
        Options(world=WORLD, dead_stage=Stage.STAGE_EMBED),
        Options(world=WORLD, dead_stage=Stage.STAGE_SCORE),
        Options(world=WORLD, cancel_after=9),
        Options(world=WORLD, shuffled=True, attempt_seed=5),
        Options(world=WORLD, max_inline_files=10),
        Options(world=()),
    ],
    ids=["dead-download", "dead-embed", "dead-score", "cancelled", "shuffled", "split-manifest", "empty"],
)
def test_other_ends_close_too(options: Options, tmp_path: Path) -> None:
    build_dataset(tmp_path, options)
    report = audit(tmp_path)
    assert report.findings == ()


@pytest.mark.parametrize("policy", [ImagePolicy.IMAGE_POLICY_NONE, ImagePolicy.IMAGE_POLICY_KEPT])
def test_u11_a_dataset_closes_without_the_bytes_that_its_policy_gives_up(
    policy: ImagePolicy.ValueType, tmp_path: Path
) -> None:
    spec = small_spec()
    spec.image.policy = policy
    manifest = build_dataset(tmp_path, Options(world=WORLD, spec=spec))
    listed = {entry.path for entry in manifest.files}
    given_up = [path for path in (tmp_path / "shards").glob("*.tar") if f"shards/{path.name}" not in listed]
    assert given_up
    for path in given_up:
        path.unlink()
    assert audit(tmp_path).findings == ()
    has_train = any(entry.role == roles.TRAIN_SHARD for entry in manifest.files)
    assert has_train == (policy == ImagePolicy.IMAGE_POLICY_KEPT)


# Files


@pytest.mark.parametrize(
    "role",
    [roles.SHARD, roles.SHARD_INDEX, roles.SAMPLES, roles.IMAGE_EMBEDDINGS, roles.TRAIN_SHARD, roles.LEDGER],
)
def test_g4_a_flipped_byte_is_named(role: str, copy: Path) -> None:
    path = first_file(copy, role).path
    data = bytearray((copy / path).read_bytes())
    data[len(data) // 2] ^= 0x40
    (copy / path).write_bytes(bytes(data))
    report = audit(copy)
    assert not report.closes
    assert _says(report, "checksum", path, "SHA-256")


@pytest.mark.parametrize(
    "role",
    [roles.SHARD, roles.SHARD_INDEX, roles.SHARD_STATS, roles.SAMPLES, roles.TEXT_EMBEDDINGS, roles.SPEC],
)
def test_a_deleted_file_is_named(role: str, copy: Path) -> None:
    path = first_file(copy, role).path
    (copy / path).unlink()
    report = audit(copy)
    assert _says(report, "missing", path, "not there")


def test_a_file_cut_short_is_named(copy: Path) -> None:
    path = first_file(copy, roles.SHARD).path
    (copy / path).write_bytes((copy / path).read_bytes()[:3000])
    report = audit(copy)
    assert _says(report, "size", path, "3,000 bytes")
    assert _says(report, "shard", path, "ends within")


# One row less, more or changed. The manifest is brought in line with the bytes, so that only the
# contents can tell.


@pytest.mark.parametrize(
    "role", [roles.SHARD_INDEX, roles.SAMPLES, roles.TRAIN_INDEX, roles.EMBEDDING_METADATA]
)
def test_a_removed_row_is_named(role: str, copy: Path) -> None:
    path = first_file(copy, role).path
    _rewrite(copy / path, lambda table: table.slice(1))
    report = audit(copy)
    assert _says(report, "rows", path, "the manifest says")
    _adopt(copy, path, rows=pq.read_metadata(copy / path).num_rows)
    report = audit(copy)
    assert not report.closes
    assert _says(report, "candidates", "") or _says(report, "embeddings", "not aligned")


def test_a_removed_row_of_data_breaks_the_funnel(copy: Path) -> None:
    path = first_file(copy, roles.SAMPLES).path
    removed = pq.read_table(copy / path).column("sample_id")[0].as_py()
    _rewrite(copy / path, lambda table: table.slice(1))
    _adopt(copy, path, rows=pq.read_metadata(copy / path).num_rows)
    report = audit(copy)
    assert _says(report, "candidates", removed, "has no row in data/")
    assert _says(report, "funnel", "dataset")


def test_a_sample_that_stands_twice_is_named(copy: Path) -> None:
    path = first_file(copy, roles.SAMPLES).path
    _rewrite(copy / path, lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    _adopt(copy, path, rows=pq.read_metadata(copy / path).num_rows)
    assert _says(audit(copy), "candidates", path, "stands twice in data/")


def test_a_row_without_a_candidate_is_named(copy: Path) -> None:
    path = first_file(copy, roles.SAMPLES).path
    _rewrite(copy / path, lambda table: _with(table, "sample_id", ["ab" * 16, *_rest(table, "sample_id")]))
    _adopt(copy, path)
    report = audit(copy)
    assert _says(report, "candidates", "ab" * 16, "no shard index has it")
    assert _says(report, "identity", "sample_id")


@pytest.mark.parametrize(
    ("column", "value", "check"),
    [
        ("TEXT", "another text", "identity"),
        ("hash", 17, "identity"),
        ("verdict", "kept", "verdict"),
        ("similarity", -0.5, "verdict"),
        ("tar_offset", 7 * 512, "samples"),
        ("LANGUAGE", "xx", "samples"),
    ],
)
def test_a_changed_value_is_named(column: str, value: object, check: str, copy: Path) -> None:
    entry = first_file(copy, roles.SAMPLES)
    table = pq.read_table(copy / entry.path)
    place = table.column("verdict").to_pylist().index("filtered" if column == "verdict" else "kept")
    values = table.column(column).to_pylist()
    values[place] = value
    _rewrite(copy / entry.path, lambda table: _with(table, column, values))
    _adopt(copy, entry.path)
    report = audit(copy)
    assert _says(report, check, entry.path)


def test_a_candidate_whose_id_is_not_that_of_its_pair_is_named(copy: Path) -> None:
    entry = first_file(copy, roles.SHARD_INDEX)
    _rewrite(copy / entry.path, lambda table: _with(table, "url", ["https://x.test/", *_rest(table, "url")]))
    _adopt(copy, entry.path)
    assert _says(audit(copy), "identity", entry.path, "sample_id")


def test_a_missing_column_is_named(copy: Path) -> None:
    path = first_file(copy, roles.SHARD_INDEX).path
    _rewrite(copy / path, lambda table: table.drop_columns(["phash"]))
    assert _says(audit(copy), "columns", path, "phash is missing")


# The ledger


def test_a_removed_ledger_row_names_its_unit(copy: Path) -> None:
    path = next(entry.path for entry in read_manifest(copy).files if entry.role == roles.LEDGER)
    table = pq.read_table(copy / path)
    place = table.column("stage").to_pylist().index("embed")
    unit = table.column("unit_id")[place].as_py()
    _rewrite(copy / path, lambda table: pa.concat_tables([table.slice(0, place), table.slice(place + 1)]))
    _adopt(copy, path, rows=len(table) - 1)
    report = audit(copy)
    assert _says(report, "ledger", f"unit {unit} is expected, but no record of it is here")
    assert _says(report, "ledger", "records that no counted unit leads to")


def test_ledger_rows_that_contradict_their_record_are_named(copy: Path) -> None:
    path = next(entry.path for entry in read_manifest(copy).files if entry.role == roles.LEDGER)
    _rewrite(copy / path, lambda table: _with(table, "rows_in", [1000, *_rest(table, "rows_in")]))
    _adopt(copy, path)
    assert _says(audit(copy), "ledger", "does not balance")


def test_a_file_that_the_manifest_leaves_out_is_named(copy: Path) -> None:
    path = first_file(copy, roles.SHARD_INDEX).path
    manifest = read_manifest(copy)
    save_manifest(
        copy, _with_version(replace(manifest, files=tuple(e for e in manifest.files if e.path != path)))
    )
    assert _says(audit(copy), "manifest", path, "not listed")


def test_a_manifest_that_was_edited_is_named(copy: Path) -> None:
    manifest = read_manifest(copy)
    funnel = [row if row.outcome != "kept" else replace(row, count=row.count + 1) for row in manifest.funnel]
    save_manifest(copy, replace(manifest, funnel=tuple(funnel)))
    report = audit(copy)
    assert _says(report, "manifest", "version")
    assert _says(report, "funnel", "dataset", "kept")


def test_a_funnel_that_does_not_add_up_is_named(copy: Path) -> None:
    manifest = read_manifest(copy)
    extra = FunnelRow(stage="download", outcome="failed", reason="tls_error", count=3)
    save_manifest(copy, _with_version(replace(manifest, funnel=(*manifest.funnel, extra))))
    report = audit(copy)
    assert _says(report, "funnel", "download", "rows in")
    assert _says(report, "funnel", "download", "tls_error")


# Shards (G6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda parts: [part for part in parts if not part[0].endswith(".txt")], "no .txt"),
        (lambda parts: parts[1:], "needs one image"),
        (lambda parts: [*parts, parts[0]], "stands twice"),
        (lambda parts: parts[3:], "not in the tar"),
        (
            lambda parts: [
                *parts,
                ("x" * 32 + ".jpg", b"1"),
                ("x" * 32 + ".txt", b""),
                ("x" * 32 + ".json", b""),
            ],
            "not in the index",
        ),
        (lambda parts: [*parts[:-1], (parts[-1][0], b"another caption")], "not the caption"),
        (lambda parts: [(parts[0][0], b"<html>"), *parts[1:]], "no jpg image"),
    ],
    ids=["no-txt", "no-image", "twice", "missing", "extra", "caption", "not-an-image"],
)
def test_g6_a_shard_that_is_not_its_index_is_refused(
    change: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]], message: str, copy: Path
) -> None:
    entry = first_file(copy, roles.SHARD)
    _write_tar(copy / entry.path, change(_read_tar(copy / entry.path)))
    _adopt(copy, entry.path)
    report = audit(copy)
    assert _says(report, "shard", entry.path, message)


def test_g6_a_link_in_a_tar_is_refused(copy: Path) -> None:
    entry = first_file(copy, roles.SHARD)
    with tarfile.open(copy / entry.path, "w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("a.jpg")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    assert _says(audit(copy), "shard", entry.path, "no plain file")


# Embeddings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda array: array * 2, "unit vectors"),
        (
            lambda array: np.where(np.arange(len(array))[:, None] == 1, np.nan, array).astype("<f2"),
            "unit vectors: 1",
        ),
        (lambda array: array.astype("<f4"), "not <f2"),
        (lambda array: array[:, :8], "8 dimensions"),
        (lambda array: array[1:], "the manifest says"),
    ],
    ids=["long", "nan", "float32", "narrow", "short"],
)
def test_embeddings_that_are_not_unit_vectors_are_refused(
    change: Callable[[npt.NDArray[np.float16]], npt.NDArray[np.float16]], message: str, copy: Path
) -> None:
    entry = first_file(copy, roles.TEXT_EMBEDDINGS)
    np.save(copy / entry.path, change(np.load(copy / entry.path)))
    report = audit(copy)
    assert any(message in str(finding) and entry.path in str(finding) for finding in report.findings)


@pytest.mark.parametrize(
    ("there", "instead"),
    [(b"\x93NUM", b"PK\x03\x04"), (b"}", b" "), (b"(", b"-"), (b" (", b"(-"), (b"'", b"\xff")],
    ids=["zip", "unclosed", "unopened", "negative", "no-text"],
)
def test_an_array_whose_header_is_damaged_is_a_finding(there: bytes, instead: bytes, copy: Path) -> None:
    entry = first_file(copy, roles.IMAGE_EMBEDDINGS)
    data = (copy / entry.path).read_bytes()
    (copy / entry.path).write_bytes(data.replace(there, instead, 1))
    assert _says(audit(copy), "embeddings", entry.path, "no array")


def test_train_has_to_be_the_kept_set_in_order(copy: Path) -> None:
    entry = first_file(copy, roles.TRAIN_INDEX)
    _rewrite(copy / entry.path, lambda table: table.take([*range(1, len(table)), 0]))
    _adopt(copy, entry.path)
    report = audit(copy)
    assert _says(report, "train", entry.path, "order")
    assert _says(report, "shard", entry.path.replace(".parquet", ".tar"), "in order")


def _rest(table: pa.Table, column: str) -> list[object]:
    return list(table.column(column).to_pylist()[1:])


def _with(table: pa.Table, column: str, values: Sequence[object]) -> pa.Table:
    place = table.schema.get_field_index(column)
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(values, field.type))


def _rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def _adopt(folder: Path, path: str, rows: int | None = None) -> None:
    """Brings manifest and ledger in line with a file's bytes, as a careful forger would."""
    manifest = read_manifest(folder)
    old = next(entry for entry in manifest.files if entry.path == path)
    new = file_entry(folder, path, old.role, old.rows if rows is None else rows)
    files = tuple(new if entry.path == path else entry for entry in manifest.files)
    save_manifest(folder, _with_version(replace(manifest, files=files)))


def _with_version(manifest: Manifest) -> Manifest:
    return replace(manifest, version=content_version(manifest, manifest.files))


def _read_tar(path: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]  # plain files


def _write_tar(path: Path, parts: Sequence[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in parts:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
