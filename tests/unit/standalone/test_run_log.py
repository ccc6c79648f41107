"""The supervisor's log goes to a file while a run lasts, and nowhere near it afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import structlog

from pairmill_standalone.cli.run import run_log
from pairmill_standalone.workspace import open_workspace


def test_a_run_logs_to_its_file_and_leaves_logging_as_it_was(tmp_path: Path) -> None:
    workspace = open_workspace(tmp_path, None)
    before = structlog.get_config()
    log = structlog.get_logger("test")
    with run_log(workspace):
        log.info("service_died", code=9)
    assert structlog.get_config() == before
    log.info("service_died", code=10)
    (line,) = (workspace.logs / "run.log").read_text().splitlines()
    record = json.loads(line)
    assert (record["event"], record["code"], record["service"]) == ("service_died", 9, "run")
