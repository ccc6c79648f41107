"""`make demo-stack`: the demo's job on a stack of its own is compared with the embedded run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.commands import python_module, run
from deploy.local.errors import FetchError, MissingToolError
from deploy.local.kafka import fetch_kafka
from tests.e2e.runs import CANDIDATES, SEED
from tests.fakes.provided import lacking

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

Call = Callable[..., str]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Call]:
    """Calls the stack's command line as a user does; the stack is taken down at the end."""
    try:
        fetch_kafka()
    except MissingToolError as error:
        lacking(error.what, error.remedy)
    folder = f"--folder={tmp_path / 'stack'}"
    yield lambda *arguments: run(python_module("deploy.local", folder, *arguments))
    run(python_module("deploy.local", folder, "down"))


def test_the_demo_on_the_stack_ends_with_the_embedded_dataset(stack: Call, tmp_path: Path) -> None:
    size, seed = f"--candidates={CANDIDATES}", f"--seed={SEED}"
    demo = ("demo", f"--out={tmp_path / 'alone'}", size, seed)
    assert "the stack made the dataset of one machine" in stack(*demo)
    again = stack(*demo)
    assert "was there before" in again  # the same request is the same job
    assert "the stack made the dataset of one machine" in again
    with pytest.raises(FetchError, match="take it down first"):
        stack("demo", f"--out={tmp_path / 'other'}", size, "--seed=8")
