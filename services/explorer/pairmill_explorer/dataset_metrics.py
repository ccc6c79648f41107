"""What the datasets of an explorer show of themselves, as measures and as readiness."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pairmill.errors import RetriableError
from pairmill_explorer.datasets.registry import Datasets
from pairmill_explorer.datasets.served import ServedDataset
from pairmill_explorer.desk import SearchDesk
from pairmill_index.manifest import IndexVersion


class DatasetCollector(Collector):
    """Looks at the datasets when it is asked. Their names are settings, and a version replaces the last."""

    def __init__(self, desk: SearchDesk) -> None:
        self._desk = desk

    def collect(self) -> Iterator[Metric]:
        """Yields the measures as of now."""
        info = GaugeMetricFamily(
            "pairmill_index_info",
            "1, with the version of the index that answers.",
            labels=["dataset", "version"],
        )
        rows = GaugeMetricFamily(
            "pairmill_index_rows",
            "Samples in the index that answers, removed ones included.",
            labels=["dataset"],
        )
        trouble = GaugeMetricFamily(
            "pairmill_dataset_in_trouble",
            "Whether the newest version of a dataset, of its index, or its model cannot be used.",
            labels=["dataset"],
        )
        recall = GaugeMetricFamily(
            "pairmill_served_recall",
            "Lowest recall@10 against exact search that was measured in the index that answers.",
            labels=["dataset"],
        )
        for served in self._desk.datasets:
            trouble.add_metric([served.name], float(bool(served.trouble)))
            if (found := _index_of(served)) is not None:
                version, index = found
                info.add_metric([served.name, version], 1.0)
                rows.add_metric([served.name], index.rows)
                recall.add_metric([served.name], index.recall)
        yield from (info, rows, recall, trouble, *self._of_searches())

    def _of_searches(self) -> Iterator[Metric]:
        searched = CounterMetricFamily(
            "pairmill_searched_rows", "Rows of indices that were searched, as often as they were."
        )
        searched.add_metric([], self._desk.searcher.searched_rows)
        asked = CounterMetricFamily(
            "pairmill_cache_requests",
            "Requests for what may have been kept from an earlier one, by whether it was.",
            labels=["cache", "result"],
        )
        for name, cache in self._desk.caches.items():
            asked.add_metric([name, "hit"], cache.hits)
            asked.add_metric([name, "miss"], cache.misses)
        yield from (searched, asked)


def why_none_serves(datasets: Datasets) -> str | None:
    """Returns why no dataset can be searched, or None if at least one can."""
    if not any(True for _ in datasets) or any(_index_of(served) is not None for served in datasets):
        return None  # a store is followed in which nothing was finished yet
    return "; ".join(f"{served.name}: {served.trouble}" for served in datasets)


def _index_of(served: ServedDataset) -> tuple[str, IndexVersion] | None:
    """Returns version and manifest of the index that answers, if one does."""
    try:
        with served.use() as snapshot:
            return snapshot.index.version, snapshot.index.manifest
    except RetriableError:
        return None
