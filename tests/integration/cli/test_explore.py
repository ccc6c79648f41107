"""`pairmill explore`: a dataset on this machine, or one answer for a script."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.fakes.processes import wait_until
from tests.integration.cli.conftest import Call


def test_a_folder_is_served_until_ctrl_c(dataset: Path, tmp_path: Path) -> None:
    """It has no index: one is built first."""
    said, log = tmp_path / "said", tmp_path / "log"
    with said.open("wb") as stream, log.open("wb") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "pairmill_standalone", "explore", str(dataset), "--port", "0", "--json"],
            stdout=stream,
            stderr=errors,
            env={**os.environ},
            start_new_session=True,
        )
    signal_heeded = False
    try:
        wait_until(lambda: said.read_text().endswith("\n") or child.poll() is not None)
        assert child.poll() is None, log.read_text()
        address = json.loads(said.read_text())["address"]
        with urllib.request.urlopen(f"{address}indices-list") as answer:
            assert json.load(answer) == ["dataset"]
        with urllib.request.urlopen(address) as answer:
            assert b"<title>Pairmill</title>" in answer.read()
        assert "the index is built" in log.read_text()
        child.send_signal(signal.SIGINT)
        signal_heeded = child.wait(30) == 0
    finally:
        child.kill()
        child.wait()
    assert signal_heeded
    assert (dataset / "index" / "current.json").exists()


def test_where_the_model_is_not_at_hand_a_query_for_a_text_is_refused(call: Call, dataset: Path) -> None:
    found = call("explore", dataset, "--check", "a red circle")
    assert found.exit_code == 1
    assert "parts[0].text" in found.stderr


def test_a_folder_that_is_no_dataset_is_named(call: Call, tmp_path: Path) -> None:
    found = call("explore", tmp_path / "absent", "--check", "x")
    assert (found.exit_code, "there is no such folder" in found.stderr) == (2, True)


def test_a_port_that_is_taken_is_named_with_its_option(call: Call, dataset: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = call("explore", dataset, "--port", port)
    assert found.exit_code == 2
    assert f"--port: cannot listen on 127.0.0.1:{port} ({os.strerror(errno.EADDRINUSE)})" in found.stderr


@pytest.mark.parametrize("port", ["-1", "70000", "x"])
def test_a_port_that_is_none_is_refused(call: Call, dataset: Path, port: str) -> None:
    assert call("explore", dataset, "--port", port).exit_code == 2
