"""Something that is replaced while others still use it: it is closed when the last of them is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Value = TypeVar("Value")


class _Counted(Generic[Value]):
    def __init__(self, value: Value) -> None:
        self.value = value
        self.users = 1  # the holder itself


class Shared(Generic[Value]):
    """Holds one value at a time, or none. Thread-safe."""

    def __init__(self, close: Callable[[Value], None]) -> None:
        """`close` is called once per value, by whoever lets go of it last."""
        self._close = close
        self._lock = threading.Lock()
        self._current: _Counted[Value] | None = None

    @contextmanager
    def use(self) -> Iterator[Value | None]:
        """Gives the value that is held now; it stays open while the context lasts."""
        with self._lock:
            counted = self._current
            if counted is not None:
                counted.users += 1
        try:
            yield counted.value if counted is not None else None
        finally:
            self._let_go(counted)

    def replace(self, value: Value | None) -> None:
        """Holds another value from now on, or none."""
        with self._lock:
            old = self._current
            self._current = None if value is None else _Counted(value)
        self._let_go(old)

    def _let_go(self, counted: _Counted[Value] | None) -> None:
        if counted is None:
            return
        with self._lock:
            counted.users -= 1
            is_last = not counted.users
        if is_last:
            self._close(counted.value)
