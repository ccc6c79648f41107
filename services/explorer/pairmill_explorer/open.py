"""An explorer's core with all its parts: from the addresses of datasets to a desk that answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pairmill.clock import Clock, SystemClock
from pairmill.closing import Closing
from pairmill.errors import ConfigurationError
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.followed import FollowedStore
from pairmill_explorer.datasets.registry import Datasets, Watcher
from pairmill_explorer.datasets.served import ServedDataset
from pairmill_explorer.desk import DeskParts, SearchDesk
from pairmill_explorer.encoding.shelf import EncoderShelf, ModelConfig, open_shelf
from pairmill_explorer.images.children import ImageChildren
from pairmill_explorer.images.thumbnails import Thumbnails
from pairmill_explorer.search.counting import interval_cache
from pairmill_explorer.search.facets import Facets
from pairmill_explorer.search.masks import mask_cache
from pairmill_explorer.search.searcher import Searcher


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreConfig:
    """How an explorer's core works."""

    scratch: Path  # folder of its own, for indices in buckets and exports on their way there
    poll_seconds: float = 10.0  # between two looks for a new version
    model: ModelConfig = field(default_factory=ModelConfig)  # where the models of queries come from
    search_threads: int = 1  # cores that one search uses
    image_processes: int = 2  # children that decode images
    mask_bytes: int = 256 * 2**20  # most memory for evaluated filters
    interval_bytes: int = 128 * 2**20  # most memory for which interval of a histogram each row lies in
    thumbnail_bytes: int = 64 * 2**20  # most memory for small images
    result_bytes: int = 64 * 2**20  # most memory for the next pages of queries


class Explorer(Closing):
    """An explorer's core, opened; whoever opened it closes it."""

    def __init__(
        self,
        datasets: Datasets,
        search: SearchDesk,
        watcher: Watcher,
        shelf: EncoderShelf,
        images: ImageChildren,
    ) -> None:
        self.datasets = datasets
        self.search = search
        self._watcher = watcher
        self._shelf = shelf
        self._images = images

    def warm_up(self) -> None:
        """Starts what would otherwise begin with the first image; raises RetriableError if it cannot."""
        self._images.warm_up()

    def close(self) -> None:
        """Stops looking for new versions and gives up what is open."""
        self._watcher.close()
        self.datasets.close()
        self._shelf.close()
        self._images.close()


def open_explorer(
    datasets: Mapping[str, ObjectStore],
    config: CoreConfig,
    *,
    followed: ObjectStore | None = None,
    clock: Clock | None = None,
) -> Explorer:
    """Opens datasets by their names, the first being the default, and watches them for new versions.

    Of a store that is `followed` all datasets are served besides, by the names of their folders, as soon as
    they have an index. A dataset that cannot be opened is served as soon as it can; until then its `trouble`
    says why. Raises ConfigurationError where there is nothing to serve.
    """
    if not datasets and followed is None:
        raise ConfigurationError("datasets: none is named; give at least one address")
    clock = clock or SystemClock()
    images = ImageChildren(config.image_processes)
    shelf = open_shelf(config.model, images)
    own_clock = clock

    def serve(name: str, store: ObjectStore) -> ServedDataset:
        return ServedDataset(
            name,
            store,
            config.scratch / name,
            encoders=shelf.get,
            clock=own_clock,
            threads=config.search_threads,
        )

    served = [serve(name, store) for name, store in datasets.items()]
    registry = Datasets(served, FollowedStore(followed, serve).new) if followed else Datasets(served)
    registry.refresh()
    masks = mask_cache(config.mask_bytes)
    searcher = Searcher(masks, results_bytes=config.result_bytes)
    parts = DeskParts(
        datasets=registry,
        searcher=searcher,
        facets=Facets(searcher, interval_cache(config.interval_bytes)),
        masks=masks,
        thumbnails=Thumbnails(images, max_bytes=config.thumbnail_bytes),
        clock=clock,
    )
    watcher = Watcher(registry, seconds=config.poll_seconds)
    watcher.start()
    return Explorer(registry, SearchDesk(parts), watcher, shelf, images)
