"""Helm, which renders and checks the chart in tests."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.local.cache import Cache
from deploy.local.commands import require, run

VERSION: Final = "4.3.1"
_MODULE: Final = f"helm.sh/helm/v4/cmd/helm@v{VERSION}"
_GO: Final = "install Go 1.26 or newer"


def fetch_helm(cache: Cache | None = None) -> Path:
    """Returns the program, built by Go where it is not there."""
    return (cache or Cache.of_user()).provide(f"helm-{VERSION}", _build) / "helm"


def _build(folder: Path) -> None:
    go = require("go", used_for="building Helm", remedy=_GO)
    run([go, "install", _MODULE], env={"GOBIN": str(folder), "GOFLAGS": "-buildvcs=false"})
