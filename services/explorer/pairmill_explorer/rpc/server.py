"""The explorer's gRPC services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import Message

from pairmill.rpc.calls import current_call
from pairmill.rpc.quotas import Quota
from pairmill.rpc.refusals import RefusedError
from pairmill.rpc.server import Api
from pairmill.watching import watched
from pairmill_explorer.rpc.methods import METHODS, WATCH_EXPORT
from pairmill_explorer.rpc.procedures import Procedure
from pairmill_explorer.rpc.refusals import explorer_refusal
from pairmill_explorer.rpc.work import Workers
from pairmill_explorer.subsets.exports.view import WATCH_SECONDS, has_ended
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    Export,
    GetExportRequest,
    GetExportResponse,
    WatchExportRequest,
    WatchExportResponse,
)


def explorer_api(procedures: Mapping[str, Procedure], workers: Workers, quota: Quota) -> Api:
    """Returns what an explorer serves over gRPC."""

    def add(server: grpc.Server) -> None:
        handlers: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        for name in METHODS:
            _, service, method = name.split("/")
            handlers.setdefault(service, {})[method] = (
                _watch_handler(procedures, workers)
                if name == WATCH_EXPORT
                else _handler(procedures[name], workers)
            )
        server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(service, own) for service, own in handlers.items())
        )

    return Api(methods=METHODS, add=add, refuse=explorer_refusal, quota=quota)


def _handler(procedure: Procedure, workers: Workers) -> grpc.RpcMethodHandler[Any, Any]:
    return grpc.unary_unary_rpc_method_handler(
        partial(_answer, procedure.answer, workers),
        request_deserializer=procedure.request.FromString,
        response_serializer=procedure.response.SerializeToString,
    )


def _answer(
    answer: Callable[[Any], Message], workers: Workers, request: Message, context: grpc.ServicerContext
) -> Message:
    """Has a call worked on; what nobody waits for any more does not begin."""
    work = workers.submit(answer, request)
    try:
        return work.result(context.time_remaining())
    except (TimeoutError, CancelledError) as error:
        work.cancel()
        raise RefusedError(grpc.StatusCode.UNAVAILABLE, "there was no time left for the answer") from error


def _watch_handler(procedures: Mapping[str, Procedure], workers: Workers) -> grpc.RpcMethodHandler[Any, Any]:
    get_export = procedures[WATCH_EXPORT.replace("WatchExport", "GetExport")]

    def watch(request: WatchExportRequest, context: grpc.ServicerContext) -> Iterator[WatchExportResponse]:
        wanted = GetExportRequest(dataset=request.dataset, export_id=request.export_id)

        def get() -> Export:
            found: Any = _answer(get_export.answer, workers, wanted, context)
            assert isinstance(found, GetExportResponse)
            return found.export

        for export in watched(get, has_ended, current_call().wait, WATCH_SECONDS):
            yield WatchExportResponse(export=export)

    return grpc.unary_stream_rpc_method_handler(
        watch,
        request_deserializer=WatchExportRequest.FromString,
        response_serializer=WatchExportResponse.SerializeToString,
    )
