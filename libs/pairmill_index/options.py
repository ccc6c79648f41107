"""What a person may ask of an index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GIBIBYTE: Final = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What a build has to keep to."""

    memory_bytes: int = 2 * GIBIBYTE  # for the inverted lists of all vector indices, and of the build itself
    latency_ms: float = 10.0  # of one query over one segment, the 95th percentile
    min_recall: float = 0.9  # recall@10 against exact search, below which a version is refused
    only_kept: bool = False  # leave out samples that were filtered
    threads: int = 0  # cores that a build uses; 0 for all
