"""What is written into images while they are built."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.images.requirements import main, requirements
from deploy.images.sbom import debian_components
from pairmill import __version__
from tests.conftest import REPOSITORY

SBOM: Final = REPOSITORY / "deploy" / "images" / "sbom.py"
STATUS: Final = """\
Package: tar
Status: install ok installed
Architecture: amd64
Version: 1.34+dfsg-1.2
Description: GNU version
 of the tar archiving utility

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0
"""


def test_requirements_of_an_extra_follow_the_extras_that_it_names() -> None:
    extras = {"kafka": ["kafka-python"], "s3": ["minio"], "cluster": ["pairmill[kafka, s3]", "grpcio"]}
    assert requirements(["msgspec"], extras, ["cluster"]) == ["grpcio", "kafka-python", "minio", "msgspec"]


def test_extras_that_name_each_other_end() -> None:
    extras = {"one": ["pairmill[other]", "a"], "other": ["pairmill[one]", "b"]}
    assert requirements([], extras, ["one"]) == ["a", "b"]


def test_every_library_of_every_service_is_among_those_that_are_fetched_once() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    fetched = set(requirements(project["dependencies"], extras, ["all", "cluster"]))
    for service in ("crawler", "downloader", "explorer", "standalone"):
        assert set(requirements(project["dependencies"], extras, [service])) <= fetched


def test_an_extra_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crawlr"], REPOSITORY / "pyproject.toml") == 2
    assert "no such extra: crawlr; there are crawler" in capsys.readouterr().err


def test_the_bill_of_materials_has_what_is_installed_and_the_packages_of_the_base(tmp_path: Path) -> None:
    bill = _bill(tmp_path)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "pairmill-crawler"
    found = {component["name"]: component for component in bill["components"]}
    assert found["pairmill"]["version"] == __version__
    assert found["tar"]["purl"] == "pkg:deb/debian/tar@1.34%2Bdfsg-1.2?arch=amd64"
    assert found["pyarrow"]["purl"].startswith("pkg:pypi/pyarrow@")
    assert found["pyarrow"]["licenses"]
    assert "gone" not in found


def test_the_bill_of_materials_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    assert _bill(tmp_path) == _bill(tmp_path)
    references = [component["bom-ref"] for component in _bill(tmp_path)["components"]]
    assert references == sorted(set(references))


def test_packages_that_are_only_known_are_left_out() -> None:
    assert [component["name"] for component in debian_components(STATUS)] == ["tar"]


def _bill(folder: Path) -> dict[str, Any]:
    status = folder / "status"
    status.write_text(STATUS)
    done = subprocess.run(
        [sys.executable, SBOM, "crawler", status], check=True, capture_output=True, text=True
    )
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill
