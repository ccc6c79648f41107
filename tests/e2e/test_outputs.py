"""What a finished dataset holds: its books close, damage is named, foreign readers open it unchanged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pairmill.dataset import roles
from pairmill.dataset.reader import Dataset
from pairmill_synthweb.prepare import PreparedWorld
from pairmill_synthweb.truth.compare import compare_with_truth
from pairmill_synthweb.truth.table import read_truth
from tests.e2e.command import pairmill, succeed
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import CANDIDATES


@pytest.fixture
def dataset(undisturbed: Undisturbed) -> Dataset:
    return Dataset.open(undisturbed.out)


@pytest.fixture
def copy(undisturbed: Undisturbed, tmp_path: Path) -> Path:
    target = tmp_path / "copy"
    shutil.copytree(undisturbed.out, target, ignore=shutil.ignore_patterns(".pairmill"))
    return target


def test_the_books_close(undisturbed: Undisturbed) -> None:
    facts = succeed("audit", undisturbed.out, "--json").json()
    assert facts["closes"]
    assert facts["candidates"] > 0


def test_every_candidate_and_every_count_is_as_the_truth_table_says(
    prepared: PreparedWorld, undisturbed: Undisturbed
) -> None:
    comparison = compare_with_truth(undisturbed.out, read_truth(prepared.truth))
    assert comparison.candidates == CANDIDATES
    assert comparison.differences == ()


def test_d11_hosts_saw_one_polite_client(prepared: PreparedWorld, undisturbed: Undisturbed) -> None:
    """A further request of a fetch, for robots.txt say, waits for its time but needs no free connection."""
    assert undisturbed.violations == []
    connections = int(prepared.settings["download.host_connections"]) + 1
    delay = float(prepared.settings["download.host_delay_seconds"])
    busy = {name: host for name, host in undisturbed.hosts.items() if host.requests > 20}
    assert busy
    for name, host in busy.items():
        assert host.most_at_once <= connections, name
        taken = host.started_at[-1] - host.started_at[0]
        assert taken >= (host.requests - 1) * delay - 0.1, name


def _first(folder: Path, role: str) -> Path:
    entry = next(entry for entry in Dataset.open(folder).files(role) if entry.rows)
    return folder / entry.path


def _flip_a_byte(folder: Path) -> Path:
    path = _first(folder, roles.SHARD)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path


def _remove_a_row(path: Path) -> Path:
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    return path


def _delete_a_file(folder: Path) -> Path:
    path = _first(folder, roles.IMAGE_EMBEDDINGS)
    path.unlink()
    return path


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(_flip_a_byte, id="g4-flipped-byte-in-a-tar"),
        pytest.param(lambda folder: _remove_a_row(_first(folder, roles.SAMPLES)), id="row-removed"),
        pytest.param(lambda folder: _remove_a_row(_first(folder, roles.LEDGER)), id="ledger-row-removed"),
        pytest.param(_delete_a_file, id="file-deleted"),
    ],
)
def test_an_audit_names_what_is_damaged(damage: Callable[[Path], Path], copy: Path) -> None:
    assert pairmill("audit", copy).code == 0
    damaged = damage(copy)
    ended = pairmill("audit", copy)
    assert ended.code == 1
    assert damaged.relative_to(copy).as_posix() in ended.out


def test_a_dataset_is_the_same_as_its_copy(undisturbed: Undisturbed, copy: Path) -> None:
    assert pairmill("diff", undisturbed.out, copy).code == 0


@pytest.mark.filterwarnings("default")
def test_webdataset_reads_the_tars_of_train(dataset: Dataset, undisturbed: Undisturbed) -> None:
    import webdataset

    entries = sorted(dataset.files(roles.TRAIN_SHARD), key=lambda entry: entry.path)
    urls = [str(undisturbed.out / entry.path) for entry in entries]
    samples = list(
        webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8").to_tuple("jpg", "txt", "json")
    )
    kept = {
        row["sample_id"]: row["TEXT"]
        for row in _rows(dataset, ["sample_id", "TEXT", "verdict"])
        if row["verdict"] == "kept"
    }
    assert {facts["sample_id"]: text for _, text, facts in samples} == kept
    assert all(picture.ndim == 3 and picture.dtype == np.uint8 for picture, _, _ in samples)


@pytest.mark.filterwarnings("default")
def test_datasets_loads_parquet_and_webdataset(
    dataset: Dataset, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    import datasets

    files = [str(undisturbed.out / entry.path) for entry in dataset.files(roles.SAMPLES)]
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert loaded.num_rows == sum(entry.rows for entry in dataset.files(roles.SAMPLES))
    tars = [str(undisturbed.out / entry.path) for entry in dataset.files(roles.SHARD)]
    samples = datasets.load_dataset("webdataset", data_files=tars, split="train", cache_dir=str(tmp_path))
    assert samples.num_rows == sum(entry.rows for entry in dataset.files(roles.SHARD))
    assert samples[0]["__key__"] == samples[0]["json"]["sample_id"]


@pytest.mark.filterwarnings("default")
def test_embedding_reader_reads_the_embeddings(dataset: Dataset, undisturbed: Undisturbed) -> None:
    from embedding_reader import EmbeddingReader

    rows = sum(entry.rows for entry in dataset.files(roles.IMAGE_EMBEDDINGS))
    for kind in ("img_emb", "text_emb"):
        reader = EmbeddingReader(
            embeddings_folder=str(undisturbed.out / "embeddings" / kind),
            metadata_folder=str(undisturbed.out / "embeddings" / "metadata"),
            meta_columns=["sample_id"],
            file_format="parquet_npy",
        )
        assert (reader.count, reader.dimension) == (rows, dataset.manifest.bundle["dimensions"])
        vectors = np.concatenate([batch for batch, _ in reader(batch_size=256, show_progress=False)])
        assert np.allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1, atol=2e-3)


def test_the_report_asks_nobody_for_anything(undisturbed: Undisturbed) -> None:
    page = (undisturbed.out / "report.html").read_text()
    for reference in ('src="http', "src='http", "url(http", '<link rel="stylesheet"', "<script src"):
        assert reference not in page
    assert "<script>alert(1)</script>" not in page  # an alt text of the synthetic web


def test_the_manifest_is_plain_json(undisturbed: Undisturbed) -> None:
    manifest = json.loads((undisturbed.out / "dataset.json").read_text())
    assert manifest["state"] == "incomplete"
    assert manifest["why"] == ["1 WAT file(s) end early"]
    assert {"path", "role", "rows", "bytes", "sha256"} <= manifest["files"][0].keys()


def _rows(dataset: Dataset, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in dataset.samples(columns):
        yield from batch.to_pylist()
