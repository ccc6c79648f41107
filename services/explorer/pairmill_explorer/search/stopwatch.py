"""Where a request's time goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pairmill_protos.explorer.v1.search_pb2 import Took

Part = Literal["encode", "filter", "search", "rows"]


class Stopwatch:
    """Adds up the time of a request's parts. For one thread."""

    def __init__(self) -> None:
        """Starts the whole."""
        self._started = time.perf_counter()
        self._parts: dict[Part, float] = {}

    @contextmanager
    def part(self, name: Part) -> Iterator[None]:
        """Counts what is done within for a part."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._parts[name] = self._parts.get(name, 0.0) + time.perf_counter() - started

    def took(self) -> Took:
        """Returns the times until now, in milliseconds."""
        parts = {f"{name}_ms": seconds * 1000 for name, seconds in self._parts.items()}
        return Took(total_ms=(time.perf_counter() - self._started) * 1000, **parts)
