"""Whole runs of two services: killed at named points, interrupted, held up by a lock or a bad bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pairmill.dataset.audit import audit
from pairmill.dataset.diff import diff
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill_gateway.new_versions import NewVersion
from pairmill_standalone.run import Run, RunEnd, Status
from pairmill_standalone.run_options import RunOptions
from pairmill_standalone.versions import REFILTER_STAGES, admit_refilter
from pairmill_standalone.workspace import Workspace, locked, open_workspace

SETTINGS = {"score.min_similarity.*": "0.3"}


def _version(dataset: Path) -> tuple[Workspace, NewVersion]:
    workspace = open_workspace(dataset, None)
    version = admit_refilter(workspace, SETTINGS)
    assert version is not None
    return workspace.of_version(version.admission.spec.job_id), version


def _ignore(status: Status) -> None:
    assert status["job_id"]


def _run(dataset: Path, kill_at: str = "", service: str = "gateway") -> RunEnd:
    workspace, version = _version(dataset)
    first = {service: {"PAIRMILL_KILL_AT": kill_at}} if kill_at else {}
    options = RunOptions(stages=REFILTER_STAGES, first_env=first)
    return Run(workspace, version.admission, options).execute(_ignore)


@pytest.fixture(scope="module")
def undisturbed(driven: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset that a refilter without any fault gives."""
    folder = Path(shutil.copytree(driven, tmp_path_factory.mktemp("undisturbed") / "dataset"))
    assert _run(folder).restarts == 0
    return folder


@pytest.mark.faults
@pytest.mark.parametrize(
    ("service", "point"),
    [
        ("gateway", "after_hand_out:2"),
        ("gateway", "before_manifest:1"),
        ("gateway", "after_end:1"),
        ("gateway", "in_sweep:2"),
        ("finaliser", "after_record:1"),
    ],
)
def test_g1_a_service_killed_at_any_point_gives_the_same_dataset(
    dataset: Path, undisturbed: Path, service: str, point: str
) -> None:
    end = _run(dataset, point, service)
    assert (end.state, end.restarts) == ("complete", 1), end.reason
    assert audit(dataset).findings == ()
    assert diff(dataset, undisturbed).same
    job = Dataset.open(dataset).manifest.job_id
    assert not list((dataset / "steps").rglob(f"*{job}*"))


def test_an_ended_job_needs_no_stage_any_more(dataset: Path) -> None:
    workspace, version = _version(dataset)
    options = RunOptions(stages=REFILTER_STAGES)
    first = Run(workspace, version.admission, options).execute(_ignore)
    logs = (workspace.logs / "finaliser-000.log").stat().st_size
    again = Run(workspace, version.admission, options).execute(_ignore)
    assert first == again
    assert (workspace.logs / "finaliser-000.log").stat().st_size == logs


def test_a3_an_interrupt_stops_at_once_and_the_next_call_goes_on(dataset: Path) -> None:
    workspace, version = _version(dataset)
    run = Run(workspace, version.admission, RunOptions(stages=REFILTER_STAGES))
    run.interrupt()
    assert run.execute(_ignore).state == "interrupted"
    assert Dataset.open(dataset).manifest.job_id != version.admission.spec.job_id
    end = Run(workspace, version.admission, RunOptions(stages=REFILTER_STAGES)).execute(_ignore)
    assert end.state == "complete"
    assert audit(dataset).findings == ()


def test_a8_a_stage_that_cannot_start_ends_the_run_with_its_reason(dataset: Path, tmp_path: Path) -> None:
    workspace, version = _version(dataset)
    options = RunOptions(stages=(*REFILTER_STAGES, "scorer"), bundle=tmp_path / "no-bundle")
    end = Run(workspace, version.admission, options).execute(_ignore)
    assert end.state == "failed"
    assert "scorer-000" in end.reason
    assert "no-bundle" in end.reason


def test_a_version_of_a_base_that_is_no_longer_current_is_refused(dataset: Path) -> None:
    workspace, version = _version(dataset)
    assert _run(dataset).state == "complete"
    other = admit_refilter(open_workspace(dataset, None), {"score.min_similarity.*": "0.2"})
    assert other is not None
    place = open_workspace(dataset, None).of_version(other.admission.spec.job_id)
    options = RunOptions(stages=REFILTER_STAGES)
    assert Run(place, other.admission, options).execute(_ignore).state == "complete"
    with pytest.raises(ConfigurationError, match="call it again"):
        Run(workspace, version.admission, options).execute(_ignore)


def test_a_run_holds_the_folder(dataset: Path) -> None:
    workspace, version = _version(dataset)
    with locked(open_workspace(dataset, None)), pytest.raises(ConfigurationError, match="in use"):
        Run(workspace, version.admission, RunOptions()).execute(_ignore)
