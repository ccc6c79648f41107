"""A dataset's subsets without a server: for whoever works on one dataset and then goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from pairmill.clock import Clock, SystemClock
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.registry import Datasets
from pairmill_explorer.datasets.served import ServedDataset
from pairmill_explorer.encoding.shelf import ModelConfig, open_shelf
from pairmill_explorer.images.children import ImageChildren
from pairmill_explorer.subsets.desk import SubsetDesk
from pairmill_explorer.subsets.line import ExportLine
from pairmill_index.publish import current_of


@contextmanager
def opened_subsets(
    store: ObjectStore,
    scratch: Path,
    *,
    bundles: Sequence[Path] = (),
    clock: Clock | None = None,
) -> Iterator[SubsetDesk]:
    """Gives what answers about the subsets of one dataset, and carries out exports while the context lasts.

    An export that cannot go on has failed at once; one that is asked for again goes on with what stands. Only
    exports that are asked for here are carried out. `scratch` is a folder for copies of an index that lies in
    a bucket. Raises NoIndexError where the dataset has no index.
    """
    current_of(store)
    clock = clock or SystemClock()
    with (
        closing(ImageChildren(1)) as images,
        closing(open_shelf(ModelConfig(bundles=tuple(bundles)), images)) as shelf,
    ):
        served = ServedDataset("dataset", store, scratch, encoders=shelf.get, clock=clock)
        datasets = Datasets([served])
        with closing(datasets):
            datasets.refresh()
            line = ExportLine(datasets, scratch=scratch, clock=clock, delays=(), takes_up=False)
            with closing(line):
                line.start()
                yield SubsetDesk(datasets, line, clock=clock)
