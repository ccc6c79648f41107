"""Room in the folder of a process's private files."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge


def show_scratch(registry: CollectorRegistry, folder: Path) -> None:
    """Shows how much room the file system of a folder has; it is asked whenever measures are."""
    Gauge(
        "pairmill_scratch_size_bytes",
        "Size of the file system that private files lie on.",
        registry=registry,
    ).set_function(_reader(folder, "total"))
    Gauge(
        "pairmill_scratch_free_bytes",
        "Room left on that file system.",
        registry=registry,
    ).set_function(_reader(folder, "free"))


def _reader(folder: Path, what: Literal["total", "free"]) -> Callable[[], float]:
    def read() -> float:
        there = next((path for path in (folder, *folder.absolute().parents) if path.exists()), None)
        try:
            return float(getattr(shutil.disk_usage(there or "/"), what))
        except OSError:
            return math.nan  # it was taken away; who writes there says so

    return read
