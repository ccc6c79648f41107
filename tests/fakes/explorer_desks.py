"""Desks of an explorer that answer from memory, to serve them over the real transports."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from pairmill_explorer.errors import BadRequestError, NotFoundError, TooLargeError
from pairmill_explorer.http.clip.messages import KnnRequest, MetadataRequest
from pairmill_protos.explorer.v1.search_pb2 import Hit, SafeMode, Sample
from pairmill_protos.explorer.v1.search_service_pb2 import (
    DatasetInfo,
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
    Export,
    ExportState,
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

JPEG = b"\xff\xd8\xff" + b"picture" * 100
DATASET = "demo"
MOST_HITS = 1000


def nothing() -> None:
    """Does nothing."""


@dataclass
class FakeDesk:
    """Answers everything; `before_answer` or `before_picture` is called first, and may wait or raise."""

    before_answer: Callable[[], None] = nothing
    before_picture: Callable[[], None] = nothing
    asked: list[Message] = field(default_factory=list)
    steps: int = 2  # answers until an export is complete
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _note(self, request: Message) -> None:
        with self.lock:
            self.asked.append(request)
        self.before_answer()
        if getattr(request, "dataset", "") not in ("", DATASET):
            raise NotFoundError("dataset", "is not served")

    def list_datasets(self, request: ListDatasetsRequest, /) -> ListDatasetsResponse:
        self._note(request)
        return ListDatasetsResponse(datasets=[DatasetInfo(dataset=DATASET, samples=3)])

    def search(self, request: SearchRequest, /) -> SearchResponse:
        self._note(request)
        size = request.page_size if request.HasField("page_size") else 1
        if size > MOST_HITS:
            raise TooLargeError("page_size", f"is {size:,}; at most {MOST_HITS:,} are taken")
        if size < 1:
            raise BadRequestError("page_size", f"is {size}; at least 1")
        hits = [Hit(sample=Sample(sample_id=f"{n:032x}", text="x" * 100), score=0.5) for n in range(size)]
        return SearchResponse(hits=hits, matching=2**40)

    def get_facets(self, request: GetFacetsRequest, /) -> GetFacetsResponse:
        self._note(request)
        return GetFacetsResponse(total=3)

    def get_samples(self, request: GetSamplesRequest, /) -> GetSamplesResponse:
        self._note(request)
        return GetSamplesResponse()

    def get_funnel(self, request: GetFunnelRequest, /) -> GetFunnelResponse:
        self._note(request)
        return GetFunnelResponse()

    def preview_threshold(self, request: PreviewThresholdRequest, /) -> PreviewThresholdResponse:
        self._note(request)
        return PreviewThresholdResponse()

    def list_dropped(self, request: ListDroppedRequest, /) -> ListDroppedResponse:
        self._note(request)
        return ListDroppedResponse()

    def report_sample(self, request: ReportSampleRequest, /) -> ReportSampleResponse:
        self._note(request)
        return ReportSampleResponse(report_id="r1")

    def save_subset(self, request: SaveSubsetRequest, /) -> SaveSubsetResponse:
        self._note(request)
        return SaveSubsetResponse()

    def get_subset(self, request: GetSubsetRequest, /) -> GetSubsetResponse:
        self._note(request)
        return GetSubsetResponse()

    def list_subsets(self, request: ListSubsetsRequest, /) -> ListSubsetsResponse:
        self._note(request)
        return ListSubsetsResponse()

    def preview_subset(self, request: PreviewSubsetRequest, /) -> PreviewSubsetResponse:
        self._note(request)
        return PreviewSubsetResponse()

    def start_export(self, request: StartExportRequest, /) -> StartExportResponse:
        self._note(request)
        return StartExportResponse(export=Export(export_id="e1"))

    def get_export(self, request: GetExportRequest, /) -> GetExportResponse:
        """An export that gets further each time it is asked for."""
        self._note(request)
        done = sum(isinstance(one, GetExportRequest) for one in self.asked)
        running = done < self.steps
        state = ExportState.EXPORT_STATE_RUNNING if running else ExportState.EXPORT_STATE_COMPLETE
        return GetExportResponse(export=Export(export_id="e1", state=state, samples_done=done))

    def list_exports(self, request: ListExportsRequest, /) -> ListExportsResponse:
        self._note(request)
        return ListExportsResponse()

    def cancel_export(self, request: CancelExportRequest, /) -> CancelExportResponse:
        self._note(request)
        return CancelExportResponse()

    def diff_exports(self, request: DiffExportsRequest, /) -> DiffExportsResponse:
        self._note(request)
        return DiffExportsResponse()

    def image(
        self, dataset: str, sample_id: str, max_side: int, safe_mode: SafeMode.ValueType, /
    ) -> bytes | None:
        """A picture of the sample `1…`, an unsafe one of `2…`, and none of others."""
        self.before_picture()
        if dataset != DATASET:
            raise NotFoundError("dataset", "is not served")
        if sample_id.startswith("2"):
            return JPEG if safe_mode != SafeMode.SAFE_MODE_HIDE else None
        return JPEG if sample_id.startswith("1") else None

    def indices(self) -> list[str]:
        return [DATASET]

    def knn(self, request: KnnRequest, /) -> list[dict[str, Any]]:
        self.before_answer()
        return [{"id": number, "similarity": 0.5, "url": "u"} for number in range(request.num_images)]

    def metadata(self, request: MetadataRequest, /) -> list[dict[str, Any]]:
        self.before_answer()
        return [{"id": number, "metadata": {"url": "u"}} for number in request.ids]
