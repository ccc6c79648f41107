"""Refilters and repairs: versions over a base close, and their rows replace the base's (U16)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from pairmill.dataset import roles
from pairmill.dataset.audit import audit
from pairmill.dataset.diff import diff
from pairmill.dataset.manifest import Manifest
from pairmill.dataset.reader import Dataset
from pairmill_gateway.report import collect_facts
from pairmill_protos.job.v1.job_pb2 import JobSpec
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options, small_spec
from tests.fakes.dataset_versions import build_refilter, build_repair
from tests.fakes.dataset_world import make_world

WORLD = make_world(candidates=50, seed=3)


def _final(manifest: Manifest) -> Counter[tuple[str, str]]:
    return Counter(
        {
            (row.outcome, row.reason): row.count
            for row in manifest.funnel
            if row.stage == "dataset" and row.outcome != "in"
        }
    )


def _strict(spec: JobSpec) -> None:
    spec.score.min_similarity["*"] = 0.3


def test_a_refilter_closes_and_equals_a_run_with_its_thresholds(tmp_path: Path) -> None:
    manifest = build_refilter(tmp_path / "refilter", Options(world=WORLD), _strict)
    report = audit(tmp_path / "refilter")
    assert report.findings == ()
    assert report.candidates == len(WORLD)
    spec = small_spec()
    _strict(spec)
    fresh = build_dataset(tmp_path / "fresh", Options(world=WORLD, spec=spec))
    assert _final(manifest) == _final(fresh)
    rows = diff(tmp_path / "refilter", tmp_path / "fresh")
    assert not rows.columns
    assert (rows.only_in_a, rows.only_in_b) == (0, 0)


def test_rows_of_a_repair_replace_those_of_the_base(tmp_path: Path) -> None:
    failed = [one for one in WORLD if one.failure == "http_4xx"]
    again = [replace(one, failure="", retries=0) for one in failed[:-1]] + failed[-1:]
    manifest = build_repair(tmp_path / "repair", Options(world=WORLD), again)
    report = audit(tmp_path / "repair")
    assert report.findings == ()
    assert report.candidates == len(WORLD)
    assert _final(manifest)["failed", "http_4xx"] == 1
    assert len(list(Dataset.open(tmp_path / "repair").files(roles.LEDGER))) == 2

    healed = tuple(next((new for new in again if new.key == one.key), one) for one in WORLD)
    fresh = build_dataset(tmp_path / "fresh", Options(world=healed))
    assert _final(manifest) == _final(fresh)
    rows = diff(tmp_path / "repair", tmp_path / "fresh")
    assert not rows.columns
    assert rows.compared == len(WORLD)
    assert (rows.only_in_a, rows.only_in_b) == (0, 0)
    collect_facts(Dataset.open(tmp_path / "repair"))


def test_a_repair_whose_base_ledger_is_gone_does_not_close(tmp_path: Path) -> None:
    failed = [replace(one, failure="", retries=0) for one in WORLD if one.failure]
    build_repair(tmp_path, Options(world=WORLD), failed)
    ledgers = sorted(Dataset.open(tmp_path).files(roles.LEDGER), key=lambda entry: entry.rows)
    (tmp_path / ledgers[-1].path).unlink()
    report = audit(tmp_path)
    assert any(finding.check == "missing" and finding.path == ledgers[-1].path for finding in report.findings)
