"""How a benchmark is to be run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Sizes are those of the recorded figures times `scale`."""

    work: Path  # folder for inputs and outputs
    scale: float = 1.0
    runs: int = 3

    def size(self, full: int, least: int = 1) -> int:
        """Returns a size in this setup."""
        return max(least, round(full * self.scale))

    def folder(self, name: str) -> Path:
        """Returns a folder for one benchmark, made if it is not there."""
        path = self.work / name
        path.mkdir(parents=True, exist_ok=True)
        return path
