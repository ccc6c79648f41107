"""An explorer's core with all its parts: from the addresses of datasets to a desk that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pairmill.clock import Clock, SystemClock
from pairmill.errors import ConfigurationError
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.registry import Datasets, Watcher
from pairmill_explorer.datasets.served import ServedDataset
from pairmill_explorer.desk import SearchDesk
from pairmill_explorer.ports import QueryEncoder
from pairmill_explorer.search.masks import mask_cache
from pairmill_explorer.search.searcher import Searcher


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreConfig:
    """How an explorer's core works."""

    scratch: Path  # folder of its own, for indices that lie in buckets
    poll_seconds: float = 10.0  # between two looks for a new version
    mask_bytes: int = 256 * 2**20  # most memory for evaluated filters
    result_bytes: int = 64 * 2**20  # most memory for the next pages of queries


class Explorer:
    """An explorer's core, opened; whoever opened it closes it."""

    def __init__(self, datasets: Datasets, search: SearchDesk, watcher: Watcher) -> None:
        self.datasets = datasets
        self.search = search
        self._watcher = watcher

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Stops looking for new versions and gives up what is open."""
        self._watcher.close()
        self.datasets.close()


def open_explorer(
    datasets: Mapping[str, ObjectStore],
    config: CoreConfig,
    *,
    encoders: Callable[[str], QueryEncoder | None],
    clock: Clock | None = None,
) -> Explorer:
    """Opens datasets by their names, the first being the default, and watches them for new versions.

    A dataset that cannot be opened is served as soon as it can; until then its `trouble` says why. `encoders`
    finds the model of a bundle by the bundle's digest. Raises ConfigurationError where none is named.
    """
    if not datasets:
        raise ConfigurationError("datasets: none is named; give at least one address")
    clock = clock or SystemClock()
    served = [
        ServedDataset(name, store, config.scratch / name, encoders=encoders, clock=clock)
        for name, store in datasets.items()
    ]
    registry = Datasets(served)
    registry.refresh()
    masks = mask_cache(config.mask_bytes)
    desk = SearchDesk(registry, Searcher(masks, results_bytes=config.result_bytes), masks)
    watcher = Watcher(registry, seconds=config.poll_seconds)
    watcher.start()
    return Explorer(registry, desk, watcher)
