"""What is asked of an embedded run besides the job itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

STAGES: Final = ("crawler", "planner", "downloader", "inference", "scorer", "finaliser")
"""The services that work on units, in the order of their stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What is asked of a run besides the job itself."""

    bundle: Path | None = None  # for the stages that run a model
    stages: Sequence[str] = STAGES
    workers: Mapping[str, int] = field(default_factory=dict)  # processes by service, 1 if not named
    partitions: int = 8
    give_up_seconds: float = 30.0
    reissue_after_seconds: float = 30.0
    service_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    first_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # first start only

    def with_env(self, service_env: Mapping[str, Mapping[str, str]]) -> RunOptions:
        """Returns the options with other environments of services."""
        return replace(self, service_env=service_env)
