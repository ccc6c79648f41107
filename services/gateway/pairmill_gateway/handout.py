"""What may be handed out now: whole waves under flow control, plans and phases at once (U6)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pairmill.ledger.barriers import Expected
from pairmill.ledger.walk import Walk

MAX_OPEN_WAVES = 2
MAX_UNFINISHED_WAVES = 32


class HandOut:
    """Holds back the crawl units of waves whose turn has not come. Flow control, not truth."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._ready: deque[Expected] = deque()
        self._waiting = deque(range(walk.root.waves))
        self._started: list[int] = []

    def add(self, expected: list[Expected]) -> list[Expected]:
        """Takes units that became expected; returns those that a stage has handed out itself."""
        self._ready.extend(unit for unit in expected if unit.handed_out)
        return [unit for unit in expected if not unit.handed_out]

    def take(self) -> list[Expected]:
        """Returns the units to publish now."""
        self._start_waves()
        units = list(self._ready)
        self._ready.clear()
        return units

    def put_back(self, units: list[Expected]) -> None:
        """Takes units back that could not be published."""
        self._ready.extendleft(reversed(units))

    def held(self) -> frozenset[str]:
        """Returns the units that are still to be published."""
        ready = (unit.task.unit_id for unit in self._ready)
        waiting = (unit_id for wave in self._waiting for unit_id in self._walk.root.crawl_ids(wave))
        return frozenset((*ready, *waiting))

    def keep_only(self, wanted: Callable[[Expected], bool]) -> None:
        """Forgets units that are not wanted any more: somebody else has handed them out."""
        self._ready = deque(unit for unit in self._ready if wanted(unit))

    @property
    def waiting(self) -> int:
        """Number of waves that are held back."""
        return len(self._waiting)

    def _start_waves(self) -> None:
        root, flow = self._walk.root, self._walk.flow
        ranges = root.spec.plan.ranges
        while self._waiting:
            self._started = [wave for wave in self._started if flow.is_unfinished(wave, ranges)]
            is_open = sum(flow.is_open(wave, ranges) for wave in self._started)
            if is_open >= MAX_OPEN_WAVES or len(self._started) >= MAX_UNFINISHED_WAVES:
                return
            wave = self._waiting.popleft()
            self._ready.extend(Expected(task=task, handed_out=True) for task in root.crawl_tasks(wave))
            self._started.append(wave)
