"""The datasets of an explorer, by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

import structlog

from pairmill_explorer.datasets.served import ServedDataset
from pairmill_explorer.errors import NotFoundError

log = structlog.get_logger(__name__)
_END_SECONDS: Final = 30.0


class Datasets:
    """All datasets, the first being the default. Thread-safe."""

    def __init__(
        self,
        served: Sequence[ServedDataset],
        find_new: Callable[[Collection[str]], Sequence[ServedDataset]] = lambda known: (),
    ) -> None:
        """`find_new` is asked now and then for more than those that are known."""
        self._by_name = {one.name: one for one in served}
        self._find_new = find_new

    def __iter__(self) -> Iterator[ServedDataset]:
        """Yields them, the default first."""
        return iter(tuple(self._by_name.values()))

    def get(self, name: str) -> ServedDataset:
        """Returns a dataset, without a name the default; raises NotFoundError for one that is not served."""
        if not name and self._by_name:
            return next(iter(self._by_name.values()))
        found = self._by_name.get(name)
        if found is None:
            raise NotFoundError("dataset", f"{name[:80]!r} is not served; one of: {', '.join(self._by_name)}")
        return found

    def refresh(self) -> None:
        """Looks for new datasets, and for new versions of all."""
        found = self._find_new(self._by_name.keys())
        if found:
            self._by_name = self._by_name | {one.name: one for one in found}  # others may be going over it
        for served in self:
            served.refresh()

    def close(self) -> None:
        """Gives up their indices."""
        for served in self:
            served.close()


class Watcher:
    """Refreshes datasets now and then, in a thread of its own."""

    def __init__(self, datasets: Datasets, *, seconds: float) -> None:
        """Starts nothing yet; `seconds` lie between two looks."""
        self._datasets = datasets
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="dataset-watcher", daemon=True)

    def start(self) -> None:
        """Starts looking."""
        self._thread.start()

    def close(self) -> None:
        """Stops looking."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)

    def _watch(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._datasets.refresh()
            except Exception as error:  # the thread's top: what serves goes on serving
                log.error("refresh_failed", error=f"{type(error).__name__}: {error}", exc_info=True)
