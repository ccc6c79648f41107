"""A store whose calls are counted and timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from prometheus_client import CollectorRegistry, Counter, Histogram

from pairmill.clock import Clock
from pairmill.errors import RetriableError
from pairmill.store.conditional import ConditionalPuts, conditional_puts
from pairmill.store.port import ListedObject, ObjectInfo, ObjectStore

Operation = Literal["put", "get", "get_range", "stat"]

_OPERATIONS: Final[tuple[Operation, ...]] = ("put", "get", "get_range", "stat")
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class StoreMetrics:
    """Takes the measures of a store into a registry. Thread-safe; labels come from a closed set."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        seconds = Histogram(
            "pairmill_store_operation_seconds",
            "Time for a call of the object store, tries after failures included.",
            ("operation",),
            buckets=_SECONDS,
            registry=registry,
        )
        moved = Counter(
            "pairmill_store_bytes",
            "Bytes written to and read from the object store.",
            ("operation",),
            registry=registry,
        )
        failures = Counter(
            "pairmill_store_failures",
            "Calls of the object store that failed because it was away.",
            ("operation",),
            registry=registry,
        )
        # Looked up once: ranged reads come by the thousand.
        self._seconds = {operation: seconds.labels(operation) for operation in _OPERATIONS}
        self._bytes = {operation: moved.labels(operation) for operation in _OPERATIONS}
        self._failures = {operation: failures.labels(operation) for operation in _OPERATIONS}

    @contextmanager
    def call(self, operation: Operation) -> Iterator[None]:
        """Times what is done meanwhile, and counts it if the store is away."""
        start = self._clock.monotonic()
        try:
            yield
        except RetriableError:
            self._failures[operation].inc()
            raise
        finally:
            self._seconds[operation].observe(self._clock.monotonic() - start)

    def moved(self, operation: Operation, size: int) -> None:
        """Counts bytes."""
        self._bytes[operation].inc(size)


class MeasuredStore:
    """Another store, measured: files count with objects of memory, and listings and removals not at all."""

    def __init__(self, behind: ObjectStore, metrics: StoreMetrics) -> None:
        self._behind = behind
        self._metrics = metrics

    def __enter__(self) -> Self:
        """Returns itself; the store behind belongs to whoever opened it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the store behind as it is."""

    def __str__(self) -> str:
        """Returns where it is, for messages."""
        return str(self._behind)

    @property
    def conditional(self) -> ConditionalPuts | None:
        """How the store behind writes on a condition, which is rare and not measured; None if it cannot."""
        return conditional_puts(self._behind)

    def put(self, key: str, data: bytes) -> ObjectInfo:
        """Stores bytes; durable on return."""
        with self._metrics.call("put"):
            info = self._behind.put(key, data)
        self._metrics.moved("put", info.size_bytes)
        return info

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Stores a file's bytes; durable on return."""
        with self._metrics.call("put"):
            info = self._behind.put_file(key, path)
        self._metrics.moved("put", info.size_bytes)
        return info

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Returns an object's bytes, verified."""
        with self._metrics.call("get"):
            data = self._behind.get(key, sha256=sha256)
        self._metrics.moved("get", len(data))
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Returns a part of an object, unverified."""
        with self._metrics.call("get_range"):
            data = self._behind.get_range(key, start, length)
        self._metrics.moved("get_range", len(data))
        return data

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        """Writes an object to a file, verified."""
        with self._metrics.call("get"):
            info = self._behind.fetch(key, path, sha256=sha256)
        self._metrics.moved("get", info.size_bytes)
        return info

    def stat(self, key: str) -> ObjectInfo | None:
        """Returns what is known of an object, or None if it is absent."""
        with self._metrics.call("stat"):
            return self._behind.stat(key)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yields the objects under a prefix in order of keys."""
        return self._behind.list(prefix)

    def delete(self, key: str) -> None:
        """Removes an object."""
        self._behind.delete(key)

    def delete_all(self, keys: Iterable[str]) -> None:
        """Removes objects, and passes over those that are absent."""
        self._behind.delete_all(keys)

    def abandon_uploads(self, is_own: Callable[[str], bool]) -> int:
        """Gives up unfinished writes."""
        return self._behind.abandon_uploads(is_own)

    def ping(self) -> None:
        """Raises RetriableError if the store cannot be used now."""
        self._behind.ping()

    def close(self) -> None:
        """Leaves the store behind as it is."""
