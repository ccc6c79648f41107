"""How often each resource has failed on purpose: the only state of a synthetic web, and it only grows.

So an answer depends on the request and on monotone state alone: once a resource has answered well, it
always does, also after the server was killed.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from pairmill.closing import Closing


class FailureCounts(Closing):
    """Counts failures by number of resource. With a file, each is on disk before its answer is sent."""

    def __init__(self, path: Path | None = None) -> None:
        self._counts: Counter[int] = Counter()
        self._file: int | None = None
        if path is not None:
            self._counts.update(_counted(path))
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def of(self, number: int) -> int:
        """Returns how often a resource has failed."""
        return self._counts[number]

    def add(self, number: int) -> None:
        """Notes that a resource fails once more."""
        self._counts[number] += 1
        if self._file is not None:
            os.write(self._file, b"%d\n" % number)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _counted(path: Path) -> list[int]:
    """Reads whole lines; one that was cut off by a crash was never answered."""
    if not path.exists():
        return []
    whole, _, rest = path.read_bytes().rpartition(b"\n")
    if rest:
        os.truncate(path, len(whole) + 1 if whole else 0)
    return [int(line) for line in whole.split()]
