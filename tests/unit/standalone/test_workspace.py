"""One run at a time per output folder, and one job."""

from __future__ import annotations

from pathlib import Path

import pytest

from pairmill.errors import ConfigurationError
from pairmill.jobspec.profiles import profile
from pairmill_gateway.admission import Admission, admit
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_standalone.workspace import (
    Workspace,
    check_base,
    locked,
    open_workspace,
    pin_job,
    pinned_spec,
    remove_empty_folders,
)
from tests.fakes.dataset import build_dataset


def _admission(**score: float) -> Admission:
    spec = profile("everything")
    for name, value in score.items():
        setattr(spec.score, name, value)
    return admit(spec, ("/a.wat.gz",))


def _pin(workspace: Workspace, admission: Admission) -> None:
    pin_job(workspace, admission.spec, admission.spec_ref)


def test_a_second_run_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path / "out", None)
    other = open_workspace(tmp_path / "out", tmp_path / "elsewhere")
    with (
        locked(workspace),
        pytest.raises(ConfigurationError, match=r"in use by process \d+"),
        locked(other),
    ):
        raise AssertionError("two runs hold one folder")
    with locked(workspace):
        assert workspace.home.is_dir()


def test_the_same_job_is_pinned_again_and_another_one_refused_with_the_difference(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path, None)
    _pin(workspace, _admission())
    _pin(workspace, _admission())
    with pytest.raises(ConfigurationError, match=r"score.max_unsafe_score: \(unset\) -> 0.5"):
        _pin(workspace, _admission(max_unsafe_score=0.5))


def test_another_state_folder_does_not_hide_whose_folder_it_is(tmp_path: Path) -> None:
    _pin(open_workspace(tmp_path / "out", tmp_path / "one"), _admission())
    with pytest.raises(ConfigurationError, match="belongs to another job"):
        _pin(open_workspace(tmp_path / "out", tmp_path / "two"), _admission(max_toxicity=0.1))


def test_a_dataset_without_its_state_folder_belongs_to_its_job(tmp_path: Path) -> None:
    manifest = build_dataset(tmp_path)
    workspace = open_workspace(tmp_path, None)
    assert pinned_spec(workspace) == manifest.job
    with pytest.raises(ConfigurationError, match="profile: default -> everything"):
        _pin(workspace, _admission())


def test_a_version_is_made_of_the_current_one_alone(tmp_path: Path) -> None:
    manifest = build_dataset(tmp_path)
    workspace = open_workspace(tmp_path, None)
    spec = JobSpec(job_id="jnew")
    spec.base.job_id = manifest.job_id
    check_base(workspace, spec)
    spec.base.job_id = "jolder"
    with pytest.raises(ConfigurationError, match=f"holds version {manifest.job_id}"):
        check_base(workspace, spec)


def test_a_folder_that_cannot_be_made_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"--out: .* cannot be made"):
        open_workspace(tmp_path / "file" / "out", None)
    with pytest.raises(ConfigurationError, match="--state-dir"):
        open_workspace(tmp_path / "out", tmp_path / "file" / "state")


def test_only_empty_folders_are_removed(tmp_path: Path) -> None:
    (tmp_path / "steps" / "a" / "b").mkdir(parents=True)
    (tmp_path / "steps" / "c").mkdir()
    (tmp_path / "steps" / "c" / "file").write_text("")
    remove_empty_folders(tmp_path / "steps")
    assert sorted(path.name for path in (tmp_path / "steps").rglob("*")) == ["c", "file"]
    remove_empty_folders(tmp_path / "absent")
