"""The verbs of single stages: extract, download, embed, score, bundle, dlq."""

from __future__ import annotations

import io
import json
import signal
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from pairmill.dataset.reader import Dataset
from pairmill_models.bundle import Bundle
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_standalone.cli.download import stop_event
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options
from tests.integration.cli.conftest import Call


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Three samples, one of them no image."""
    path = tmp_path / "shard.tar"
    draw = np.random.default_rng(1)
    with tarfile.open(path, "w") as tar:
        for number in range(3):
            picture = draw.integers(0, 255, (16, 20, 3), dtype=np.uint8)
            image = cv2.imencode(".jpg", picture)[1].tobytes() if number else b"no image"
            for suffix, data in (("jpg", image), ("txt", f"text {number}".encode()), ("json", b"{}")):
                member = tarfile.TarInfo(f"{number:05d}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return path


def test_embeddings_and_scores_of_a_shard(call: Call, bundle: Bundle, shard: Path, tmp_path: Path) -> None:
    out = tmp_path / "embeddings"
    result = call("embed", shard, "--bundle", bundle.folder, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["rows"], facts["embedded"], sum(facts["failed"].values())) == (3, 2, 1)

    scores = tmp_path / "scores.parquet"
    scored = call("score", out, "--bundle", bundle.folder, "--out", scores, "--json")
    assert scored.exit_code == 0, scored.output
    table = pq.read_table(scores)
    assert json.loads(scored.stdout)["rows"] == len(table) == 2
    assert np.abs(table.column("similarity").to_numpy()).max() <= 1.001


def test_a_shard_that_ends_early_is_an_answer_of_no(
    call: Call, bundle: Bundle, shard: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tar"
    broken.write_bytes(shard.read_bytes()[:2000])
    result = call("embed", broken, "--bundle", bundle.folder, "--out", tmp_path / "e")
    assert result.exit_code == 1
    assert "broken.tar" in result.stderr


def test_without_embeddings_the_request_is_wrong(call: Call, bundle: Bundle, tmp_path: Path) -> None:
    result = call("score", tmp_path, "--bundle", bundle.folder)
    assert result.exit_code == 2
    assert "there are no embeddings here" in result.stderr


def test_a_table_is_downloaded_row_by_row(call: Call, tmp_path: Path) -> None:
    table = tmp_path / "links.csv"
    table.write_text("url,text\nhttp://127.0.0.1:9/a.jpg,one\nnonsense,two\n")
    out = tmp_path / "shards"
    arguments = ("download", table, "--caption-column", "text", "--out", out)
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["rows"] == 2
    assert facts["failed"]["bad_url"] == 1
    assert pq.read_table(out / "00000.parquet").column("caption").to_pylist() == ["one", "two"]
    assert call(*arguments, "--image-size", "64").exit_code == 2


def test_a_download_without_its_table_is_refused_with_all_that_is_wrong(call: Call, tmp_path: Path) -> None:
    result = call("download", tmp_path / "absent.csv", "--out", tmp_path / "o", "--timeout", "0")
    assert result.exit_code == 2
    assert "--timeout" in result.stderr
    assert "does not exist" in result.stderr


def test_the_first_interrupt_stops_cleanly_and_the_second_at_once() -> None:
    with stop_event() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_a_bundle_is_and_whether_it_works(call: Call, bundle: Bundle) -> None:
    shown = call("bundle", "inspect", bundle.folder, "--json")
    assert shown.exit_code == 0
    facts = json.loads(shown.stdout)
    assert (facts["name"], facts["digest"]) == (bundle.name, bundle.digest)
    assert facts["files"]["text.onnx"]["sha256"]
    assert bundle.name in call("bundle", "inspect", bundle.folder).output
    assert call("bundle", "check", bundle.folder).exit_code == 0
    assert call("bundle", "inspect", bundle.folder / "absent").exit_code == 2


def test_dead_letters_are_listed_and_shown(call: Call, tmp_path: Path) -> None:
    build_dataset(tmp_path, Options(dead_stage=Stage.STAGE_DOWNLOAD))
    listed = call("dlq", "list", tmp_path, "--json")
    assert listed.exit_code == 0
    (letter,) = json.loads(listed.stdout)
    assert letter["stage"] == "download"
    assert letter["rows"] == sum(entry.rows for entry in Dataset.open(tmp_path).files("dead_letters"))
    shown = call("dlq", "show", tmp_path, letter["name"], "--json")
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["candidates"][0]["url"].startswith("https://")
    assert letter["name"] in call("dlq", "list", tmp_path).output.replace("\n", "")
    assert call("dlq", "show", tmp_path, "another").exit_code == 2


def test_a_dataset_without_dead_letters_says_so(call: Call, dataset: Path, tmp_path: Path) -> None:
    assert call("dlq", "list", dataset).output == "no dead letters\n"
    assert call("dlq", "list", tmp_path / "absent").exit_code == 2
