"""Child processes leave nothing running behind a parent that was killed (A7)."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.processes import Child, has_ended, wait_until


@pytest.mark.faults
@pytest.mark.parametrize(("kind", "place"), [("worker", 1), ("reader", 0)], ids=["worker", "reader"])
def test_a7_a_child_that_hangs_ends_with_its_parent(tmp_path: Path, kind: str, place: int) -> None:
    calls = tmp_path / "calls"
    with Child("tests.fakes.hung_children", kind, tmp_path) as parent:
        wait_until(lambda: calls.exists() and calls.read_text().endswith("\n"))
        child = int(calls.read_text().split()[place])
        assert parent.running
        assert not has_ended(child)
    try:
        wait_until(lambda: has_ended(child), seconds=10.0)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
