"""For how long this gateway has known a unit as open."""

from __future__ import annotations

from typing import Final

from pairmill.clock import Clock
from pairmill.ledger.walk import Walk

_LOOK_SECONDS: Final = 5.0


class OpenSince:
    """Remembers when each open unit was seen first. Not thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        self._next_look = 0.0

    def note(self, walk: Walk) -> None:
        """Looks at the open units, if it is time."""
        now = self._clock.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        known = self._since
        self._since = {unit_id: known.get(unit_id, now) for unit_id in walk.open_ids()}

    def age_seconds(self, unit_id: str) -> float:
        """Returns a unit's age; 0 for one that was not seen yet."""
        now = self._clock.monotonic()
        return now - self._since.get(unit_id, now)
