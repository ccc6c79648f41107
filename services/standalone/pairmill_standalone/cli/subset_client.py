"""A client of an explorer's `SubsetService`, for one of its datasets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from pairmill_protos.explorer.v1.subset_service_pb2 import (
    CancelExportRequest,
    CancelExportResponse,
    DiffExportsRequest,
    DiffExportsResponse,
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
    WatchExportRequest,
    WatchExportResponse,
)
from pairmill_standalone.cli.api_caller import Caller
from pairmill_standalone.cli.api_watch import PATIENCE_SECONDS, followed

if TYPE_CHECKING:
    import grpc

Request = TypeVar(
    "Request",
    SaveSubsetRequest,
    GetSubsetRequest,
    ListSubsetsRequest,
    PreviewSubsetRequest,
    StartExportRequest,
    ListExportsRequest,
    CancelExportRequest,
    WatchExportRequest,
    DiffExportsRequest,
)


class SubsetClient:
    """Calls an explorer. Raises what `Caller` does; all calls do no harm twice, so each is repeated."""

    def __init__(
        self,
        channel: grpc.Channel,
        caller: Caller,
        dataset: str,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`patience_seconds` are for how long a watch waits for an explorer that is away."""
        from pairmill_protos.explorer.v1.subset_service_pb2_grpc import SubsetServiceStub

        self._stub = SubsetServiceStub(channel)
        self._caller = caller
        self._dataset = dataset
        self._patience_seconds = patience_seconds

    def save_subset(self, request: SaveSubsetRequest) -> SaveSubsetResponse:
        """Keeps a recipe under its name; the same recipe again is the same revision."""
        return self._caller.call(self._stub.SaveSubset, self._named(request))

    def get_subset(self, request: GetSubsetRequest) -> GetSubsetResponse:
        """Returns a recipe."""
        return self._caller.call(self._stub.GetSubset, self._named(request))

    def list_subsets(self, request: ListSubsetsRequest) -> ListSubsetsResponse:
        """Returns the last revision of each recipe."""
        return self._caller.call(self._stub.ListSubsets, self._named(request))

    def preview_subset(self, request: PreviewSubsetRequest) -> PreviewSubsetResponse:
        """Returns what a recipe cuts now."""
        return self._caller.call(self._stub.PreviewSubset, self._named(request))

    def start_export(self, request: StartExportRequest) -> StartExportResponse:
        """Has an export carried out by the explorer; the same request again is the same export."""
        return self._caller.call(self._stub.StartExport, self._named(request))

    def list_exports(self, request: ListExportsRequest) -> ListExportsResponse:
        """Returns exports, the newest first."""
        return self._caller.call(self._stub.ListExports, self._named(request))

    def cancel_export(self, request: CancelExportRequest) -> CancelExportResponse:
        """Ends an export and removes what it wrote."""
        return self._caller.call(self._stub.CancelExport, self._named(request))

    def diff_exports(self, request: DiffExportsRequest) -> DiffExportsResponse:
        """Returns what two exports have in common."""
        return self._caller.call(self._stub.DiffExports, self._named(request))

    def watch_export(self, request: WatchExportRequest) -> Iterator[WatchExportResponse]:
        """Yields an export whenever it changed, until it has ended, over restarts of the explorer."""
        named = self._named(request)
        return followed(
            self._caller,
            "the export",
            lambda: self._caller.stream(self._stub.WatchExport, named),
            lambda answer: answer.export.HasField("ended_at"),
            self._caller.tell,
            self._patience_seconds,
        )

    def _named(self, request: Request) -> Request:
        """Returns a request with the dataset that it is about."""
        request.dataset = self._dataset
        return request
