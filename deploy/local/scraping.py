"""What the stack's Prometheus looks at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONFIG: Final = Path(__file__).resolve().parents[1] / "prometheus"
"""The configuration and rules of every deployment; targets are read from files beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One address with metrics."""

    address: str  # host:port, of /metrics
    labels: Mapping[str, str]


def prepare_config(folder: Path) -> Path:
    """Copies configuration and rules into a folder and returns the configuration."""
    shutil.copytree(CONFIG, folder)
    (folder / "targets").mkdir(exist_ok=True)
    return folder / "prometheus.yml"


def write_targets(folder: Path, job: str, targets: Sequence[Target]) -> None:
    """Writes the addresses of one scrape job; Prometheus notices by itself."""
    listed = [{"targets": [target.address], "labels": dict(target.labels)} for target in targets]
    unfinished = folder / "targets" / f".{job}.part"
    unfinished.write_text(json.dumps(listed, indent=1))
    unfinished.replace(folder / "targets" / f"{job}.json")
