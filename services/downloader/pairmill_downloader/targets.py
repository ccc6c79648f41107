"""The URLs of a download unit: each is fetched once for all its texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

_COLUMNS = ("url", "host", "domain", "attempts_used", "retry_after_rounds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL with the rows that wait for it."""

    url: str
    host: str
    domain: str
    rows: tuple[int, ...]  # places in the unit's table
    attempts_used: int = 0  # in earlier units
    retry_after_rounds: int = 0  # earlier rounds that ended at the cap of Retry-After


def targets_of(table: pa.Table) -> list[Target]:
    """Returns the URLs of rows like `DOWNLOAD_ROWS`, in the order of their first rows."""
    places: dict[str, list[int]] = {}
    columns = [table.column(name).to_pylist() for name in _COLUMNS]
    for place, url in enumerate(columns[0]):
        places.setdefault(str(url), []).append(place)
    return [_target(url, rows, columns) for url, rows in places.items()]


def _target(url: str, rows: Sequence[int], columns: Sequence[list[object]]) -> Target:
    """What was tried is told of a URL's rows together; if they disagree, the most tried one speaks."""
    _, hosts, domains, attempts, rounds = columns
    return Target(
        url=url,
        host=str(hosts[rows[0]]),
        domain=str(domains[rows[0]]),
        rows=tuple(rows),
        attempts_used=max(_count(attempts[row]) for row in rows),
        retry_after_rounds=max(_count(rounds[row]) for row in rows),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
