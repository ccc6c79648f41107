"""What the id of a unit says: its ancestors and its wave."""

from __future__ import annotations

from collections.abc import Iterator


def ancestors(unit_id: str) -> Iterator[str]:
    """Yields the ids that a unit's id extends, nearest first: ids grow by `/x` and `.x`."""
    for position in range(len(unit_id) - 1, 0, -1):
        if unit_id[position] in "/.":
            yield unit_id[:position]


def wave_number(unit_id: str) -> int:
    """Returns the wave of a unit whose id is `JOB/w<wave>/…`; raises ValueError for others."""
    part = unit_id.split("/", 2)[1]
    if not part.startswith("w"):
        raise ValueError(f"unit {unit_id} belongs to no wave")
    return int(part[1:])
