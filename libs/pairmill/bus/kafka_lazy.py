"""Clients that are made when they are first needed, and again after a fork or a failure."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lazy(Generic[T]):
    """Holds at most one value per process. Thread-safe."""

    def __init__(self, make: Callable[[], T], dispose: Callable[[T], None]) -> None:
        self._make = make
        self._dispose = dispose
        self._making = threading.Lock()
        self._lock = threading.Lock()
        self._value: T | None = None
        self._pid = 0

    def get(self) -> T:
        """Returns the value, making it if this process has none."""
        with self._making:
            value = self.peek()
            if value is None:
                value = self._make()  # takes as long as a connection does, and holds up nobody who closes
                with self._lock:
                    self._value, self._pid = value, os.getpid()
            return value

    def peek(self) -> T | None:
        """Returns the value if this process has one."""
        with self._lock:
            # a parent's threads are not in its child
            return self._value if self._pid == os.getpid() else None

    def discard(self, value: T | None = None) -> None:
        """Disposes of the value, if it is still the one that was meant; the next `get` makes another."""
        with self._lock:
            if self._value is None or (value is not None and value is not self._value):
                return
            old, mine = self._value, self._pid == os.getpid()
            self._value = None
        if mine:
            with contextlib.suppress(Exception):  # it is given up because it is broken
                self._dispose(old)
