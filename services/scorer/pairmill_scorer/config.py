"""Settings of a scorer process; thresholds come with the job."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerConfig:
    """How a scorer process works."""

    bundle: Path  # folder of the model bundle; jobs pinned to another one are not taken
    bundle_digest: str = ""  # digest that the bundle has to have; empty takes any
    block_rows: int = 4096  # rows scored at once
