"""How a member waits between two looks: until something may have come, or until it is woken."""

from __future__ import annotations

import contextlib
import queue
from typing import Any, Final

from pairmill.bus.kafka_inside import answers_under_way

_LONGEST_SECONDS: Final = 0.25  # until the next look, which sees what no answer tells of

Poke = bool  # True where the poll is to end, False where something may have come


class Rest:
    """Waits on one queue for both. `wake` is for any thread and for signal handlers."""

    def __init__(self) -> None:
        self._pokes: queue.SimpleQueue[Poke] = queue.SimpleQueue()  # the one that a signal handler may use
        self._watched: list[Any] = []  # answers under way, each of which pokes when it is there

    def wake(self) -> None:
        """Ends the wait under way, or else the next one."""
        self._pokes.put(True)

    def wait(self, seconds: float) -> bool:
        """Waits at most so long; returns whether it was woken."""
        if seconds > 0:
            with contextlib.suppress(queue.Empty):
                if self._pokes.get(timeout=min(_LONGEST_SECONDS, seconds)):
                    self.was_woken()
                    return True
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
