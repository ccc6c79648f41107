"""`make demo-stack`: the demo's job on a stack of its own is compared with the embedded run."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.commandline import main
from deploy.local.errors import MissingToolError
from deploy.local.kafka import fetch_kafka
from tests.e2e.runs import CANDIDATES, SEED
from tests.fakes.provided import lacking

pytestmark = pytest.mark.long


def test_the_demo_on_the_stack_ends_with_the_embedded_dataset(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        fetch_kafka()
    except MissingToolError as error:
        lacking(error.what, error.remedy)
    folder = f"--folder={tmp_path / 'stack'}"
    demo = [folder, "demo", f"--out={tmp_path / 'alone'}", f"--candidates={CANDIDATES}", f"--seed={SEED}"]
    try:
        assert main(demo) == 0, capfd.readouterr()
        assert "the stack made the dataset of one machine" in capfd.readouterr().out
        assert main(demo) == 0, capfd.readouterr()  # the same job again: nothing is done anew
        other = [folder, "demo", f"--out={tmp_path / 'other'}", f"--candidates={CANDIDATES}", "--seed=8"]
        assert main(other) == 1
        assert "take it down first" in capfd.readouterr().err
    finally:
        main([folder, "down"])
