"""What is kept because it may be asked for again, bounded by bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Counted(Protocol):
    """Something that counts whether it had what it was asked for."""

    @property
    def hits(self) -> int:
        """How often it had it."""
        ...

    @property
    def misses(self) -> int:
        """How often it had not."""
        ...


class ByteCache(Generic[Key, Value]):
    """The values used last, as many as fit. Thread-safe; two threads may make the same value at once."""

    def __init__(self, max_bytes: int, size_of: Callable[[Value], int]) -> None:
        """A value larger than `max_bytes` is not kept."""
        self._max_bytes = max_bytes
        self._size_of = size_of
        self._lock = threading.Lock()
        self._held: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._bytes = 0
        self.hits = 0
        self.misses = 0

    def get(self, key: Key) -> Value | None:
        """Returns a value, or None if it is not kept."""
        with self._lock:
            held = self._held.get(key)
            if held is None:
                self.misses += 1
                return None
            self.hits += 1
            self._held.move_to_end(key)
            return held[0]

    def put(self, key: Key, value: Value) -> None:
        """Keeps a value, and lets go of those not used for longest. A value that grew is to be put again."""
        size = self._size_of(value)
        with self._lock:
            old = self._held.pop(key, None)
            if old is not None:
                self._bytes -= old[1]
            if size > self._max_bytes:
                return
            self._held[key] = value, size
            self._bytes += size
            while self._bytes > self._max_bytes:
                self._bytes -= self._held.popitem(last=False)[1][1]

    def get_or_make(self, key: Key, make: Callable[[], Value]) -> Value:
        """Returns a value, made now if it is not kept."""
        value = self.get(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value

    @property
    def held_bytes(self) -> int:
        """Bytes of what is kept."""
        return self._bytes
