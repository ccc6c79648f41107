"""Prometheus' own tool takes configuration and rules as they are, and each alert fires when it should."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.errors import MissingToolError
from deploy.local.prometheus import fetch_prometheus
from deploy.local.scraping import prepare_config, write_targets
from tests.fakes.prometheus_rules import RULES, all_rules
from tests.fakes.provided import lacking

CASES: Final = Path(__file__).with_name("alerts.yml")


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return fetch_prometheus() / "promtool"
    except MissingToolError as error:
        lacking(error.what, error.remedy)


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_configuration_and_rules_are_well_formed(promtool: Path, tmp_path: Path) -> None:
    config = prepare_config(tmp_path / "config")
    for job in ("pairmill", "triton"):
        write_targets(config.parent, job, [])
    said = run(promtool, "check", "config", config)
    assert "WARNING" not in said
    assert f"{len(all_rules())} rules found" in said


def test_every_alert_fires_when_it_should_and_not_before(promtool: Path, tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path)
    shutil.copy(CASES, tmp_path)
    assert "SUCCESS" in run(promtool, "test", "rules", tmp_path / CASES.name)


def test_no_alert_is_left_out() -> None:
    cases = CASES.read_text()
    names = [rule.name for rule in all_rules() if rule.kind == "alert"]
    assert [name for name in names if f"alertname: {name}\n        exp_alerts:" not in cases] == []
