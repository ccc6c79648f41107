"""What a person may ask of an index."""

from __future__ import annotations

import os
from typing import Final

import msgspec

GIBIBYTE: Final = 2**30


class BuildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a build has to keep to; a version's manifest says it, and additions keep to it too."""

    memory_bytes: int = 2 * GIBIBYTE  # for the inverted lists of all vector indices, and of the build itself
    latency_ms: float = 10.0  # of one query over one segment, the 95th percentile
    min_recall: float = 0.9  # recall@10 against exact search, below which a version is refused
    only_kept: bool = False  # leave out samples that were filtered

    @property
    def wanted_recall(self) -> float:
        """The recall@10 that is aimed at where the latency budget allows: half way from the gate to 1."""
        return (1 + self.min_recall) / 2


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
