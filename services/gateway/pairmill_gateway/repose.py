"""For how long a gateway rests between two turns: as long as it will be told of what comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

_REST_GROWTH: Final = 1.4
_BREATH_SECONDS: Final = 0.1
"""After a turn in which something happened: what comes meanwhile is dealt with together."""


class Repose:
    """Used by the loop's thread, but for `told`.

    Where nobody tells, rests grow up to `poll_seconds` while nothing happens. So they do, too, after a turn
    for which it was told in vain: whatever tells without end may not keep a gateway from its rest.
    """

    def __init__(self, poll_seconds: float, calm_seconds: float, have_told: Callable[[], bool]) -> None:
        """`have_told` sees to it that `told` is called when there is news, and says whether it will be."""
        self._poll_seconds = poll_seconds
        self._calm_seconds = calm_seconds
        self._have_told = have_told
        self._was_told = threading.Event()
        self._rest = poll_seconds / 4

    def told(self) -> None:
        """There may be news. For any thread."""
        self._was_told.set()

    def after(self, *, happened: bool, is_behind: bool = False) -> float:
        """Returns how long to rest after a turn, at the most; not at all where much is known to wait."""
        in_vain = self._was_told.is_set() and not happened
        self._was_told.clear()
        if happened:
            self._rest = self._poll_seconds / 4
            return 0.0 if is_behind else min(_BREATH_SECONDS, self._rest)
        if not in_vain and self._have_told():
            return self._calm_seconds
        self._rest, rest = min(self._rest * _REST_GROWTH, self._poll_seconds), self._rest
        return rest
