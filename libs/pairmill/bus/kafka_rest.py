"""How a member waits between two looks: until something may have come, or until it is woken."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable
from typing import Any, Final

from pairmill.bus.kafka_inside import answers_under_way

_GLANCE_SECONDS: Final = 0.25  # between two glances at what the client knows by itself
_LONGEST_SECONDS: Final = 2.0  # until the next look, which sees what nothing tells of

Poke = bool  # True where the poll is to end, False where something may have come


class Rest:
    """Waits on one queue for both. `wake` is for any thread and for signal handlers."""

    def __init__(self) -> None:
        self._pokes: queue.SimpleQueue[Poke] = queue.SimpleQueue()  # the one that a signal handler may use
        self._watched: list[Any] = []  # answers under way, each of which pokes when it is there

    def wake(self) -> None:
        """Ends the wait under way, or else the next one."""
        self._pokes.put(True)

    def wait(self, seconds: float, is_calm: Callable[[], bool] = lambda: False) -> bool:
        """Waits at most so long; returns whether it was woken.

        It ends sooner once an answer came that is watched, and at the first glance that finds no calm: then
        only a look can tell what there is.
        """
        deadline = time.monotonic() + min(_LONGEST_SECONDS, seconds)
        while (remaining := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                woken = self._pokes.get(timeout=min(_GLANCE_SECONDS, remaining))
                return self.was_woken() or woken
            if not is_calm():
                break
        return self.was_woken()

    def was_woken(self) -> bool:
        """Forgets what came, and returns whether a wake was among it."""
        woken = False
        with contextlib.suppress(queue.Empty):
            while True:
                woken |= self._pokes.get_nowait()
        return woken

    def watch(self, client: Any) -> None:
        """Lets each answer that the client waits for end the wait."""
        self._watched = [answer for answer in self._watched if not answer.is_done]
        for answer in answers_under_way(client):
            if answer not in self._watched:
                self._watched.append(answer)
                answer.add_both(self._poke)

    def _poke(self, _: object) -> None:
        self._pokes.put(False)
