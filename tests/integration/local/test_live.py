"""What a container asks itself: whether its service lives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.local.ports import free_port
from tests.conftest import REPOSITORY
from tests.fakes.small_server import SmallServer

PROGRAM = REPOSITORY / "deploy" / "images" / "live.py"


def _ask(port: int) -> int:
    return subprocess.run([sys.executable, PROGRAM], env={"PAIRMILL_ADMIN_PORT": str(port)}).returncode


def test_a_service_that_answers_lives(tmp_path: Path) -> None:
    (tmp_path / "livez").write_text("yes")
    with SmallServer(tmp_path) as server:
        assert _ask(server.port) == 0


def test_a_service_that_says_otherwise_or_nothing_does_not(tmp_path: Path) -> None:
    with SmallServer(tmp_path) as server:
        assert _ask(server.port) == 1  # there is no such page
    assert _ask(free_port()) == 1
