"""What is made once for the newest version of each dataset, by whoever asks for it first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from pairmill.errors import RetriableError

Value = TypeVar("Value")

WAIT_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Place(Generic[Value]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    held: tuple[str, Value] | None = None  # with the version that it is of


class Newest(Generic[Value]):
    """Values by the name of their dataset, those used last. Thread-safe.

    While one is made, who asks for the same waits, but not for long: threads are few. Who asks for another
    does not wait.
    """

    def __init__(self, most: int, *, wait_seconds: float = WAIT_SECONDS) -> None:
        """Keeps values of `most` datasets."""
        self._most = most
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place[Value]] = OrderedDict()

    def get(self, name: str, version: str, make: Callable[[], Value]) -> Value:
        """Returns a dataset's value, made now if it is of another version or not kept.

        Raises what `make` raises, and RetriableError while another thread is making it for long.
        """
        place = self._place(name)
        if not place.lock.acquire(timeout=self._wait_seconds):
            raise RetriableError(f"{name} is being read; ask again in a moment")
        try:
            if place.held is None or place.held[0] != version:
                place.held = version, make()
            return place.held[1]
        finally:
            place.lock.release()

    def __len__(self) -> int:
        """Returns of how many datasets values are kept."""
        return len(self._places)

    def _place(self, name: str) -> _Place[Value]:
        with self._lock:
            place = self._places.setdefault(name, _Place())
            self._places.move_to_end(name)
            while len(self._places) > self._most:
                self._places.popitem(last=False)
            return place
