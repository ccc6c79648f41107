"""What users ask of datasets: one method per call of `SearchService`, and images.

Each method takes and returns the call's messages and raises RequestError for what is wrong with a request,
RetriableError for what is away. All may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pairmill.clock import Clock
from pairmill_explorer.caching import Counted
from pairmill_explorer.datasets.columns_read import ColumnReader
from pairmill_explorer.datasets.details import details_of, found_ids
from pairmill_explorer.datasets.dropped import FORM, DroppedRows, Position, checked_reason
from pairmill_explorer.datasets.newest import Newest
from pairmill_explorer.datasets.overview import info_of
from pairmill_explorer.datasets.registry import Datasets
from pairmill_explorer.datasets.reports import file_report
from pairmill_explorer.datasets.served import ReadManifest, ServedDataset
from pairmill_explorer.images.thumbnails import Thumbnails
from pairmill_explorer.search.cursors import Origin, cursor_at, position_of, query_digest
from pairmill_explorer.search.facets import Facets
from pairmill_explorer.search.masks import MaskCache
from pairmill_explorer.search.searcher import DEFAULT_PAGE, Searcher, page_size
from pairmill_explorer.search.thresholds import preview_threshold
from pairmill_protos.explorer.v1 import search_service_pb2 as messages
from pairmill_protos.explorer.v1.search_pb2 import SafeMode

_MOST_DROPPED: Final = 64  # datasets of which is kept where their dropped candidates lie


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """What a desk answers with."""

    datasets: Datasets
    searcher: Searcher
    facets: Facets
    masks: MaskCache
    thumbnails: Thumbnails
    clock: Clock


class SearchDesk:
    """Answers what is asked. Thread-safe."""

    def __init__(self, parts: DeskParts) -> None:
        self.datasets = parts.datasets
        self.searcher = parts.searcher
        self._parts = parts
        self._reader = ColumnReader()
        self._dropped = Newest[DroppedRows](_MOST_DROPPED)

    @property
    def caches(self) -> Mapping[str, Counted]:
        """What is kept for the next request, by name."""
        return {**self.searcher.caches, "pictures": self._parts.thumbnails.cache}

    def list_datasets(self, request: messages.ListDatasetsRequest) -> messages.ListDatasetsResponse:
        """Returns all datasets, the default first."""
        del request  # it says nothing
        infos = [info_of(served, self._parts.masks) for served in self.datasets]
        return messages.ListDatasetsResponse(datasets=infos)

    def search(self, request: messages.SearchRequest) -> messages.SearchResponse:
        """Returns the samples nearest to a query, or without one those that the filters admit."""
        with self.datasets.get(request.dataset).use() as snapshot:
            return self.searcher.search(snapshot, request)

    def get_facets(self, request: messages.GetFacetsRequest) -> messages.GetFacetsResponse:
        """Returns counts over what the filters admit, or over a query's results."""
        with self.datasets.get(request.dataset).use() as snapshot:
            return self._parts.facets.facets(snapshot, request)

    def get_samples(self, request: messages.GetSamplesRequest) -> messages.GetSamplesResponse:
        """Returns samples by id with all that is known, unsafe ones too: who asks for an id wants it."""
        with self.datasets.get(request.dataset).use() as snapshot:
            found = found_ids(snapshot.index, request.sample_ids)
            return messages.GetSamplesResponse(samples=details_of(snapshot, found, self._reader))

    def get_funnel(self, request: messages.GetFunnelRequest) -> messages.GetFunnelResponse:
        """Returns what became of all that a dataset's job was given."""
        manifest = self.datasets.get(request.dataset).manifest().dataset.manifest
        lines = [
            messages.FunnelLine(stage=row.stage, outcome=row.outcome, reason=row.reason, count=row.count)
            for row in manifest.funnel
        ]
        return messages.GetFunnelResponse(lines=lines)

    def preview_threshold(
        self, request: messages.PreviewThresholdRequest
    ) -> messages.PreviewThresholdResponse:
        """Returns what a threshold would keep."""
        with self.datasets.get(request.dataset).use() as snapshot:
            return preview_threshold(self.searcher, snapshot, request)

    def list_dropped(self, request: messages.ListDroppedRequest) -> messages.ListDroppedResponse:
        """Returns candidates that became no sample; a page may be short although more follow."""
        served = self.datasets.get(request.dataset)
        size = page_size(request.page_size if request.HasField("page_size") else None, DEFAULT_PAGE)
        manifest, reason = served.manifest(), checked_reason(request.reason)
        origin = Origin(
            query=query_digest(request, "cursor", "page_size"),
            version=manifest.dataset.manifest.version,
        )
        start = Position.parse(position_of(request.cursor, origin, FORM))
        rows = self._dropped_of(served, manifest)
        dropped, behind = rows.page(reason, start, size)
        after = "" if behind is None else str(behind)
        return messages.ListDroppedResponse(
            dropped=dropped, next_cursor=cursor_at(after, origin), counts=rows.counts
        )

    def report_sample(self, request: messages.ReportSampleRequest) -> messages.ReportSampleResponse:
        """Files a request to take a sample down."""
        with self.datasets.get(request.dataset).use() as snapshot:
            return file_report(snapshot, request, self._parts.clock)

    def image(
        self,
        dataset: str,
        sample_id: str,
        max_side: int,
        safe_mode: SafeMode.ValueType = SafeMode.SAFE_MODE_HIDE,
    ) -> bytes | None:
        """Returns a stored image of about `max_side` pixels a side at most, as stored for 0.

        JPEG where it was made smaller, else JPEG, PNG or WebP as its first bytes say. None where there is
        none to show: no bytes were kept, they are damaged, or the sample is unsafe and the mode hides it.
        """
        with self.datasets.get(dataset).use() as snapshot:
            return self._parts.thumbnails.image(snapshot, sample_id, max_side, safe_mode)

    def _dropped_of(self, served: ServedDataset, manifest: ReadManifest) -> DroppedRows:
        def read() -> DroppedRows:
            return DroppedRows(manifest.dataset, served.store, self._reader.files, served.folder)

        return self._dropped.get(served.name, manifest.stamp, read)
