"""What users ask of datasets: one method per call of `SearchService`, and images.

Each method takes and returns the call's messages and raises RequestError for what is wrong with a request,
RetriableError for what is away. All may be called from any thread.
"""

from __future__ import annotations

from pairmill_explorer.datasets.overview import info_of
from pairmill_explorer.datasets.registry import Datasets
from pairmill_explorer.search.facets import Facets
from pairmill_explorer.search.masks import MaskCache
from pairmill_explorer.search.searcher import Searcher
from pairmill_explorer.search.thresholds import preview_threshold
from pairmill_protos.explorer.v1.search_service_pb2 import (
    GetFacetsRequest,
    GetFacetsResponse,
    ListDatasetsRequest,
    ListDatasetsResponse,
    PreviewThresholdRequest,
    PreviewThresholdResponse,
    SearchRequest,
    SearchResponse,
)


class SearchDesk:
    """Answers what is asked. Thread-safe."""

    def __init__(self, datasets: Datasets, searcher: Searcher, facets: Facets, masks: MaskCache) -> None:
        self.datasets = datasets
        self.searcher = searcher
        self._facets = facets
        self._masks = masks

    def list_datasets(self, request: ListDatasetsRequest) -> ListDatasetsResponse:
        """Returns all datasets, the default first."""
        del request  # it says nothing
        return ListDatasetsResponse(datasets=[info_of(served, self._masks) for served in self.datasets])

    def search(self, request: SearchRequest) -> SearchResponse:
        """Returns the samples nearest to a query, or without one those that the filters admit."""
        with self.datasets.get(request.dataset).use() as snapshot:
            return self.searcher.search(snapshot, request)

    def get_facets(self, request: GetFacetsRequest) -> GetFacetsResponse:
        """Returns counts over what the filters admit, or over a query's results."""
        with self.datasets.get(request.dataset).use() as snapshot:
            return self._facets.facets(snapshot, request)

    def preview_threshold(self, request: PreviewThresholdRequest) -> PreviewThresholdResponse:
        """Returns what a threshold would keep."""
        with self.datasets.get(request.dataset).use() as snapshot:
            return preview_threshold(self.searcher, snapshot, request)
