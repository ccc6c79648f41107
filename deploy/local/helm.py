"""Helm, which renders and checks the chart in tests."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from deploy.local.cache import Cache
from deploy.local.commands import require, run

VERSION: Final = "4.3.1"
OLDER: Final = "3.22.0"  # many still have Helm 3
_GO: Final = "install Go 1.26 or newer"


def fetch_helm(cache: Cache | None = None, *, version: str = VERSION) -> Path:
    """Returns the program, built by Go where it is not there."""
    return (cache or Cache.of_user()).provide(f"helm-{version}", partial(_build, version)) / "helm"


def fetch_older_helm() -> Path:
    """Returns Helm 3."""
    return fetch_helm(version=OLDER)


def _build(version: str, folder: Path) -> None:
    go = require("go", used_for="building Helm", remedy=_GO)
    module = f"helm.sh/helm/v{version.partition('.')[0]}/cmd/helm@v{version}"
    run([go, "install", module], env={"GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"})
