"""What answers calls: one method per call, named as the call. Messages of the services are the values.

All are thread-safe, and raise RequestError for what is wrong with a request and RetriableError for what is
away now.
"""

from __future__ import annotations

from typing import Protocol

from pairmill_protos.explorer.v1.search_service_pb2 import (
    GetFacetsRequest,
    GetFacetsResponse,
    GetFunnelRequest,
    GetFunnelResponse,
    GetSamplesRequest,
    GetSamplesResponse,
    ListDatasetsRequest,
    ListDatasetsResponse,
    ListDroppedRequest,
    ListDroppedResponse,
    PreviewThresholdRequest,
    PreviewThresholdResponse,
    ReportSampleRequest,
    ReportSampleResponse,
    SearchRequest,
    SearchResponse,
)
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    CancelExportRequest,
    CancelExportResponse,
    DiffExportsRequest,
    DiffExportsResponse,
    GetExportRequest,
    GetExportResponse,
    GetSubsetRequest,
    GetSubsetResponse,
    ListExportsRequest,
    ListExportsResponse,
    ListSubsetsRequest,
    ListSubsetsResponse,
    PreviewSubsetRequest,
    PreviewSubsetResponse,
    SaveSubsetRequest,
    SaveSubsetResponse,
    StartExportRequest,
    StartExportResponse,
)


class Searches(Protocol):
    """Answers `SearchService`."""

    def list_datasets(self, request: ListDatasetsRequest, /) -> ListDatasetsResponse: ...  # noqa: D102

    def search(self, request: SearchRequest, /) -> SearchResponse: ...  # noqa: D102

    def get_facets(self, request: GetFacetsRequest, /) -> GetFacetsResponse: ...  # noqa: D102

    def get_samples(self, request: GetSamplesRequest, /) -> GetSamplesResponse: ...  # noqa: D102

    def get_funnel(self, request: GetFunnelRequest, /) -> GetFunnelResponse: ...  # noqa: D102

    def preview_threshold(self, request: PreviewThresholdRequest, /) -> PreviewThresholdResponse: ...  # noqa: D102

    def list_dropped(self, request: ListDroppedRequest, /) -> ListDroppedResponse: ...  # noqa: D102

    def report_sample(self, request: ReportSampleRequest, /) -> ReportSampleResponse: ...  # noqa: D102


class Subsets(Protocol):
    """Answers `SubsetService`, but for its stream, which asks `get_export` again and again."""

    def save_subset(self, request: SaveSubsetRequest, /) -> SaveSubsetResponse: ...  # noqa: D102

    def get_subset(self, request: GetSubsetRequest, /) -> GetSubsetResponse: ...  # noqa: D102

    def list_subsets(self, request: ListSubsetsRequest, /) -> ListSubsetsResponse: ...  # noqa: D102

    def preview_subset(self, request: PreviewSubsetRequest, /) -> PreviewSubsetResponse: ...  # noqa: D102

    def start_export(self, request: StartExportRequest, /) -> StartExportResponse: ...  # noqa: D102

    def get_export(self, request: GetExportRequest, /) -> GetExportResponse: ...  # noqa: D102

    def list_exports(self, request: ListExportsRequest, /) -> ListExportsResponse: ...  # noqa: D102

    def cancel_export(self, request: CancelExportRequest, /) -> CancelExportResponse: ...  # noqa: D102

    def diff_exports(self, request: DiffExportsRequest, /) -> DiffExportsResponse: ...  # noqa: D102
