"""`audit` and `diff`: what they say and how they exit."""

from __future__ import annotations

import json
from pathlib import Path

from pairmill.dataset.reader import Dataset
from tests.integration.cli.conftest import Call


def _largest(folder: Path, role: str) -> Path:
    entry = max(Dataset.open(folder).files(role), key=lambda found: found.bytes)
    return folder / entry.path


def test_a_dataset_that_closes_exits_0(call: Call, dataset: Path) -> None:
    result = call("audit", dataset)
    assert result.exit_code == 0
    assert "it closes" in result.output


def test_g4_a_flipped_byte_exits_1_and_names_the_file(call: Call, dataset: Path) -> None:
    tar = _largest(dataset, "shard")
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    result = call("audit", dataset, "--json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert not facts["closes"]
    assert any(finding["path"].endswith(tar.name) for finding in facts["findings"])


def test_a_deleted_file_exits_1(call: Call, dataset: Path) -> None:
    path = _largest(dataset, "samples")
    path.unlink()
    result = call("audit", dataset)
    assert result.exit_code == 1
    assert path.name in result.output


def test_where_there_is_no_dataset_the_request_is_wrong(call: Call, tmp_path: Path) -> None:
    assert call("audit", tmp_path).exit_code == 2
    absent = call("audit", tmp_path / "absent")
    assert absent.exit_code == 2
    assert "there is no such folder" in absent.stderr
    assert call("diff", tmp_path, tmp_path).exit_code == 2


def test_an_unknown_version_names_those_there_are(call: Call, dataset: Path) -> None:
    result = call("audit", dataset, "--version", "jnone")
    assert result.exit_code == 2
    assert "--version" in result.stderr


def test_a_dataset_is_the_same_as_itself(call: Call, dataset: Path, driven: Path) -> None:
    result = call("diff", dataset, driven, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["same"]
