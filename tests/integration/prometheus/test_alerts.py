"""Prometheus' own tool takes configuration and rules as they are, and each alert fires when it should."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.errors import MissingToolError
from deploy.local.prometheus import fetch_prometheus
from deploy.local.scraping import prepare_config, write_targets
from tests.fakes.dashboards import all_dashboards, all_shown, variables_of
from tests.fakes.prometheus_rules import RULES, all_alerts, all_rules
from tests.fakes.provided import lacking
from tests.unit.deploy.compose_file import read_yaml

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


@pytest.mark.parametrize("alert", [rule.name for rule in all_alerts()])
def test_an_alert_is_seen_to_fire_and_not_to_fire(alert: str) -> None:
    checks = [
        check
        for case in read_yaml(CASES)["tests"]
        for check in case["alert_rule_test"]
        if check["alertname"] == alert
    ]
    assert {bool(check.get("exp_alerts")) for check in checks} == {True, False}


def test_what_panels_ask_is_understood(promtool: Path, tmp_path: Path) -> None:
    """As rules that record it, for the tool takes no bare expressions without a server."""
    variables = {name: variables_of(dashboard) for name, dashboard in all_dashboards().items()}
    rules = [
        {"record": f"panel:{number}", "expr": shown.asked(variables[shown.dashboard])}
        for number, shown in enumerate(all_shown())
    ]
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in run(promtool, "check", "rules", file)
