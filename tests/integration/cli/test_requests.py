"""Wrong requests end with 2 and a message that names the field and the fix, before anything starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pairmill import __version__
from pairmill_models.bundle import Bundle
from pairmill_standalone.workspace import locked, open_workspace
from tests.integration.cli.conftest import Call

VERBS = (
    ("demo",),
    ("run",),
    ("extract",),
    ("download",),
    ("embed",),
    ("score",),
    ("refilter",),
    ("diff",),
    ("audit",),
    ("serve",),
    ("retry-failed",),
    ("bundle", "inspect"),
    ("bundle", "check"),
    ("bundle", "triton"),
    ("dlq", "list"),
    ("dlq", "show"),
    ("dlq", "replay"),
)


@pytest.fixture
def wat(tmp_path: Path) -> Path:
    path = tmp_path / "a.warc.wat.gz"
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_an_example(call: Call, verb: tuple[str, ...]) -> None:
    result = call(*verb, "--help")
    assert result.exit_code == 0
    assert f"pairmill {' '.join(verb)}" in " ".join(result.output.split("Example:")[1].split())


def test_the_version_is_said(call: Call) -> None:
    assert call("--version").output == f"pairmill {__version__}\n"


def test_an_unknown_profile_names_the_known(call: Call, bundle: Bundle, wat: Path, tmp_path: Path) -> None:
    result = call(
        "run", "--wat", wat, "--out", tmp_path / "o", "--bundle", bundle.folder, "--profile", "best"
    )
    assert result.exit_code == 2
    assert "choose one of: default, everything, laion-5b" in result.stderr
    assert not (tmp_path / "o").exists()


def test_everything_wrong_with_the_settings_is_said_at_once(
    call: Call, bundle: Bundle, wat: Path, tmp_path: Path
) -> None:
    wrong = ("--set", "image.jpeg_quality=900", "--set", "plan.ranges=0")
    result = call("run", "--wat", wat, "--out", tmp_path / "o", "--bundle", bundle.folder, *wrong)
    assert result.exit_code == 2
    assert "image.jpeg_quality" in result.stderr
    assert "plan.ranges" in result.stderr


def test_a_misspelt_setting_gets_a_suggestion(call: Call, bundle: Bundle, wat: Path, tmp_path: Path) -> None:
    wrong = ("--set", "download.host_delay=1")
    result = call("run", "--wat", wat, "--out", tmp_path / "o", "--bundle", bundle.folder, *wrong)
    assert result.exit_code == 2
    assert "did you mean download.host_delay_seconds?" in result.stderr


def test_g4_a_bundle_with_a_flipped_byte_is_refused_by_name(
    call: Call, bundle: Bundle, wat: Path, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(bundle.folder, tmp_path / "damaged"))
    data = bytearray((damaged / "text.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (damaged / "text.onnx").write_bytes(data)
    result = call("run", "--wat", wat, "--out", tmp_path / "o", "--bundle", damaged)
    assert result.exit_code == 2
    assert "text.onnx" in result.stderr
    assert call("bundle", "check", damaged).exit_code == 2


def test_a_wat_that_is_not_there_is_named(call: Call, bundle: Bundle, tmp_path: Path) -> None:
    absent = tmp_path / "absent.wat.gz"
    result = call("run", "--wat", absent, "--out", tmp_path / "o", "--bundle", bundle.folder)
    assert result.exit_code == 2
    assert f"--wat: {absent}: there is no such file" in result.stderr
    assert call("extract", absent, "--out", tmp_path / "links.parquet").exit_code == 2


def test_a_run_without_wats_is_refused(call: Call, bundle: Bundle, tmp_path: Path) -> None:
    result = call("run", "--out", tmp_path / "o", "--bundle", bundle.folder)
    assert result.exit_code == 2
    assert "--wat" in result.stderr


def test_a_folder_of_another_job_shows_the_difference(
    call: Call, bundle: Bundle, wat: Path, dataset: Path
) -> None:
    before = (dataset / "dataset.json").read_bytes()
    result = call("run", "--wat", wat, "--out", dataset, "--bundle", bundle.folder, "--yes")
    assert result.exit_code == 2
    assert "belongs to another job" in result.stderr
    assert "wave_size: 2 -> 256" in result.stderr
    assert (dataset / "dataset.json").read_bytes() == before


def test_a_locked_folder_names_its_holder(call: Call, bundle: Bundle, wat: Path, tmp_path: Path) -> None:
    with locked(open_workspace(tmp_path / "o", None)):
        result = call("run", "--wat", wat, "--out", tmp_path / "o", "--bundle", bundle.folder, "--yes")
    assert result.exit_code == 2
    assert f"in use by process {os.getpid()}" in result.stderr


def test_workers_of_no_service_are_refused(call: Call, bundle: Bundle, wat: Path, tmp_path: Path) -> None:
    wrong = ("--workers", "downloaders=2", "--workers", "crawler=0")
    result = call("run", "--wat", wat, "--out", tmp_path / "o", "--bundle", bundle.folder, *wrong)
    assert result.exit_code == 2
    assert "there is no service 'downloaders'" in result.stderr
    assert "at least 1" in result.stderr


def test_an_unknown_service_is_not_served(call: Call) -> None:
    result = call("serve", "trainer")
    assert result.exit_code == 2
    assert "choose one of: gateway" in result.stderr


def test_the_demo_needs_a_folder_that_can_be_made(call: Call, bundle: Bundle, wat: Path) -> None:
    result = call("demo", "--out", wat / "under-a-file", "--bundle", bundle.folder)
    assert result.exit_code == 2
    assert "--out" in result.stderr
