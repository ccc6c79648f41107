"""A refilter makes a new version without a host or a model, and the one before stays whole."""

from __future__ import annotations

import json
from pathlib import Path

from pairmill.dataset.audit import audit
from pairmill.dataset.diff import diff
from pairmill.dataset.reader import Dataset
from pairmill.ids import from_hex
from pairmill_standalone.versions import admit_repair, fork_dataset
from pairmill_standalone.workspace import open_workspace
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options, small_spec
from tests.fakes.driven_job import WORLD
from tests.integration.cli.conftest import Call


def test_u12_a_refilter_equals_a_run_with_its_thresholds(call: Call, dataset: Path, tmp_path: Path) -> None:
    first = Dataset.open(dataset).manifest
    result = call("refilter", dataset, "--set", "score.min_similarity.*=0.3", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["state"] == "complete"
    assert audit(dataset).findings == ()

    spec = small_spec()
    spec.score.min_similarity["*"] = 0.3
    build_dataset(tmp_path / "fresh", Options(world=WORLD, spec=spec))
    rows = diff(dataset, tmp_path / "fresh")
    assert not rows.columns
    assert (rows.only_in_a, rows.only_in_b) == (0, 0)

    assert call("audit", dataset, "--version", first.job_id).exit_code == 0
    again = call("refilter", dataset, "--set", "score.min_similarity.*=0.3", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["state"] == "unchanged"


def test_a_fork_shares_files_and_leaves_the_first_as_it_is(call: Call, dataset: Path, tmp_path: Path) -> None:
    before = (dataset / "dataset.json").read_bytes()
    fork = tmp_path / "fork"
    result = call("refilter", dataset, "--set", "score.max_unsafe_score=0.1", "--out", fork)
    assert result.exit_code == 0, result.output
    assert (dataset / "dataset.json").read_bytes() == before
    assert audit(dataset).findings == ()
    assert audit(fork).findings == ()
    (shard, *_) = Dataset.open(fork).files("shard")
    assert (fork / shard.path).samefile(dataset / shard.path)
    refused = call("refilter", dataset, "--set", "score.max_unsafe_score=0.2", "--out", fork)
    assert refused.exit_code == 2
    assert "already holds a dataset" in refused.stderr


def test_a_fork_that_was_cut_off_is_completed(dataset: Path, tmp_path: Path) -> None:
    fork = tmp_path / "fork"
    fork_dataset(dataset, fork)
    (fork / "dataset.json").unlink()
    (lost, *_) = Dataset.open(dataset).files("samples")
    (fork / lost.path).unlink()
    fork_dataset(dataset, fork)
    assert audit(fork).findings == ()


def test_only_thresholds_and_choices_can_be_cut_anew(call: Call, dataset: Path) -> None:
    result = call("refilter", dataset, "--set", "download.max_redirects=1", "--set", "score.max_toxicity=x")
    assert result.exit_code == 2
    assert "--set download.max_redirects: a refilter cannot change it" in result.stderr
    assert call("refilter", dataset, "--set", "score.max_toxicity=x").exit_code == 2
    assert call("refilter", dataset).exit_code == 2


def test_u16_a_repair_starts_from_what_may_heal_alone(dataset: Path) -> None:
    workspace = open_workspace(dataset, None)
    version = admit_repair(workspace, frozenset({"http_4xx"}))
    assert version is not None
    wanted = {one.key for one in WORLD if one.failure == "http_4xx"}
    assert version.rows == len(wanted)
    assert admit_repair(workspace, frozenset({"reset"})) is None
    again = admit_repair(workspace, frozenset({"http_4xx"}))
    assert again == version
    assert all(len(from_hex(key)) == 16 for key in wanted)


def test_a_repair_with_nothing_to_heal_says_so(call: Call, dataset: Path) -> None:
    result = call("retry-failed", dataset, "--reason", "http_4xx")
    assert result.exit_code == 2
    assert "http_4xx cannot heal" in result.stderr
