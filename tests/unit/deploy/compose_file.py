"""The composition as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml  # type: ignore[import-untyped] # no stubs of it among our tools; only its loader is used

from tests.conftest import REPOSITORY

PATH: Final = REPOSITORY / "deploy" / "compose.yaml"
IMAGES: Final = REPOSITORY / "deploy" / "images"


def read_composition() -> dict[str, Any]:
    """Returns the composition, its anchors resolved."""
    return read_yaml(PATH)


def read_yaml(path: Path) -> dict[str, Any]:
    """Returns what a file holds."""
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def own_services() -> dict[str, dict[str, Any]]:
    """Returns the entries that are built by the one recipe, by name."""
    return {
        name: entry
        for name, entry in read_composition()["services"].items()
        if entry.get("build", {}).get("dockerfile") == "deploy/images/Dockerfile"
    }


def service_of(entry: dict[str, Any]) -> str:
    """Returns which service an entry runs."""
    return str(entry["build"]["args"]["SERVICE"])
