"""Settings of a planner; the rules of a plan come with the job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerConfig:
    """How a planner reads."""

    whole_file_bytes: int = 4 * 2**20  # candidate files up to this size are fetched whole and verified whole
