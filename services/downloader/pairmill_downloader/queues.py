"""The URLs of a unit by registrable domain: whose turn it may be, and when. Time is a number here.

The domain's gate has the last word on every request. A queue only keeps its URLs from standing at the gate,
with one of the unit's connections in hand, before their time has come.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from pairmill_downloader.ends import Tries
from pairmill_downloader.targets import Target

_NOTICEABLE_WAIT = 0.02  # seconds at the gate that say that its pace is slower than ours
_SLOWEST = 60.0
_DECAY = 0.9


class DomainQueue:
    """The URLs of one registrable domain that are still to be asked for. Not thread-safe."""

    def __init__(self, domain: str, delay_seconds: float) -> None:
        self.domain = domain
        self.asked = False  # whether any URL of the domain had its turn
        self._waiting: deque[Tries] = deque()
        self._host_free_at: dict[str, float] = {}
        self._delay = delay_seconds
        self._pace = delay_seconds
        self._last_turn = -math.inf

    def __len__(self) -> int:
        """Returns the number of URLs that wait."""
        return len(self._waiting)

    def add(self, tries: Tries) -> None:
        """Puts a URL at the end."""
        self._waiting.append(tries)

    def take_ready(self, now: float) -> Tries | None:
        """Returns the first URL that may be asked for now, or None."""
        if now < self._last_turn + self._pace:
            return None
        for index, tries in enumerate(self._waiting):
            if self._free_at(tries) <= now:
                del self._waiting[index]
                self._last_turn = now  # taken: the next one keeps its distance
                return tries
        return None

    def next_time(self) -> float:
        """Returns when a URL may be ready; infinite if none waits.

        Looks no further than the first one that is: a queue may be long, and is asked for every turn.
        """
        paced = self._last_turn + self._pace
        earliest = math.inf
        for tries in self._waiting:
            earliest = min(earliest, self._free_at(tries))
            if earliest <= paced:
                break
        return max(earliest, paced)

    def had_turn(self, now: float, waited: float) -> None:
        """Notes that a turn came after so long a wait, to learn the pace of the gate."""
        if self.asked and waited > _NOTICEABLE_WAIT:
            self._pace = min(self._pace + waited, _SLOWEST)
        elif self.asked:
            self._pace = max(self._delay, self._pace * _DECAY)
        self._last_turn = now
        self.asked = True

    def pause_host(self, host: str, until: float) -> None:
        """Lets no URL of a host be ready before."""
        self._host_free_at[host] = max(until, self._host_free_at.get(host, -math.inf))

    def put_back(self, tries: Tries) -> None:
        """Puts a URL whose turn did not come in time back to the front."""
        self._waiting.appendleft(tries)

    def drain(self) -> list[Tries]:
        """Empties the queue and returns what was in it."""
        left = list(self._waiting)
        self._waiting.clear()
        return left

    def _free_at(self, tries: Tries) -> float:
        return max(tries.not_before, self._host_free_at.get(tries.target.host, -math.inf))


def queues_of(targets: Iterable[Target], delay_seconds: float) -> list[DomainQueue]:
    """Returns one queue per registrable domain, in the order of the targets."""
    queues: dict[str, DomainQueue] = {}
    for target in targets:
        queue = queues.get(target.domain)
        if queue is None:
            queue = queues[target.domain] = DomainQueue(target.domain, delay_seconds)
        queue.add(Tries(target))
    return list(queues.values())
