"""`pairmill bundle triton`: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

from pairmill_models.bundle import Bundle
from tests.integration.cli.conftest import Call


def test_both_models_are_written_and_named(call: Call, bundle: Bundle, tmp_path: Path) -> None:
    result = call("bundle", "triton", bundle.folder, tmp_path / "repo", "--backend", "python", "--json")
    assert result.exit_code == 0
    facts = json.loads(result.output)
    names = {model["name"] for model in facts["models"]}
    assert {path.name for path in (tmp_path / "repo").iterdir()} == names
    assert all(bundle.digest[:12] in name for name in names)
    assert {model["change"] for model in facts["models"]} == {"written"}
    assert facts["digest"] == bundle.digest
    again = call("bundle", "triton", bundle.folder, tmp_path / "repo", "--backend", "python")
    assert again.exit_code == 0
    assert again.output.count("unchanged") == 2


def test_options_end_in_the_configuration(call: Call, bundle: Bundle, tmp_path: Path) -> None:
    options = ["--instances", 3, "--max-batch", 48, "--max-queue-delay-us", 777, "--max-queue-size", 5]
    result = call("bundle", "triton", bundle.folder, tmp_path / "repo", "--tensorrt", *options)
    assert result.exit_code == 0
    for path in (tmp_path / "repo").glob("*/config.pbtxt"):
        text = path.read_text()
        for line in ("count: 3", "max_batch_size: 48", "max_queue_delay_microseconds: 777", '"tensorrt"'):
            assert line in text
        assert "max_queue_size: 5" in text


def test_the_bundle_that_ships_is_called_tiny(call: Call, tmp_path: Path) -> None:
    result = call("bundle", "triton", "tiny", tmp_path / "repo", "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.output)["models"]) == 2


def test_other_contents_are_refused_with_the_fix(call: Call, bundle: Bundle, tmp_path: Path) -> None:
    call("bundle", "triton", bundle.folder, tmp_path / "repo")
    result = call("bundle", "triton", bundle.folder, tmp_path / "repo", "--threads", 4)
    assert result.exit_code == 2
    assert "repeat with --overwrite" in result.output
    assert (
        call("bundle", "triton", bundle.folder, tmp_path / "repo", "--threads", 4, "--overwrite").exit_code
        == 0
    )


def test_options_that_make_no_sense_are_refused(call: Call, bundle: Bundle, tmp_path: Path) -> None:
    for option, field in (
        (("--max-batch", 0), "max_batch"),
        (("--backend", "python", "--tensorrt"), "tensorrt"),
    ):
        result = call("bundle", "triton", bundle.folder, tmp_path / "repo", *option)
        assert result.exit_code == 2
        assert f"pairmill: {field}: " in result.output
    assert not (tmp_path / "repo").exists()
