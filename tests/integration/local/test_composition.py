"""Docker's own reader takes the composition, with every profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.composition import fetch_reader, resolve
from deploy.local.errors import FetchError, MissingToolError
from tests.conftest import REPOSITORY
from tests.fakes.provided import lacking


@pytest.fixture(scope="module")
def reader() -> Path:
    try:
        return fetch_reader()
    except MissingToolError as error:
        lacking(error.what, error.remedy)


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_the_composition_can_be_read(profile: str, reader: Path) -> None:
    resolved = resolve(REPOSITORY / "deploy" / "compose.yaml", [profile, "command"], reader)
    assert f"  triton-{profile}:\n" in resolved
    assert "  pairmill:\n" in resolved


def test_a_wrong_composition_is_told(tmp_path: Path, reader: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text("services:\n  one:\n    imagge: nothing:1.0\n")
    with pytest.raises(FetchError, match="imagge"):
        resolve(wrong, [], reader)
