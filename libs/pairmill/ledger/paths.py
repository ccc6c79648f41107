"""What the id of a unit says: its ancestors and its wave."""

from __future__ import annotations

from collections.abc import Iterator


def ancestors(unit_id: str) -> Iterator[str]:
    """Yields the ids that a unit's id extends, nearest first: ids grow by `/x` and `.x`."""
    for position in range(len(unit_id) - 1, 0, -1):
        if unit_id[position] in "/.":
            yield unit_id[:position]


def crawl_id(job_id: str, wave: int, wat_index: int) -> str:
    """Returns the id of the crawl unit of a WAT."""
    return f"{job_id}/w{wave:04d}/c{wat_index:06d}"


def plan_id(job_id: str, wave: int, range_index: int) -> str:
    """Returns the id of plan unit (wave, range)."""
    return f"{job_id}/w{wave:04d}/r{range_index:04d}"


def wave_number(unit_id: str) -> int:
    """Returns the wave of a unit whose id is `JOB/w<wave>/…`; raises ValueError for others."""
    part = unit_id.split("/", 2)[1]
    if not part.startswith("w"):
        raise ValueError(f"unit {unit_id} belongs to no wave")
    return int(part[1:])
