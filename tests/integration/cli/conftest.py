"""The command line in process, and a finished dataset to call it on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.testing import CliRunner, Result

from pairmill_models.bundle import Bundle
from pairmill_standalone.cli.app import build_app
from tests.fakes.driven_job import new_job
from tests.fakes.onnx_bundle import random_bundle

Call: TypeAlias = Callable[..., Result]


@pytest.fixture
def call() -> Call:
    """Calls `pairmill` with these arguments."""
    runner = CliRunner()

    def call_with(*arguments: object) -> Result:
        return runner.invoke(build_app(), [str(argument) for argument in arguments])

    return call_with


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of all the format and no knowledge."""
    return random_bundle(tmp_path_factory.mktemp("bundle") / "random")


@pytest.fixture(scope="session")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished dataset, driven by a real gateway; not to be changed."""
    folder = tmp_path_factory.mktemp("driven")
    with new_job(folder) as job:
        job.drive(job.driver())
    return folder / "out"


@pytest.fixture
def dataset(driven: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(driven, tmp_path / "dataset"))
