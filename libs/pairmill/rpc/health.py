"""The standard health service, by service name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from typing import Final

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from pairmill.rpc.calls import current_call
from pairmill.rpc.refusals import RefusedError

_LOOK_SECONDS: Final = 0.25


class Health(health_pb2_grpc.HealthServicer):
    """Says whether this server serves; all services stand and fall together. Thread-safe."""

    def __init__(self, services: Collection[str], ready: Callable[[], str | None]) -> None:
        """Takes the services, and a check that returns why calls cannot be answered now, or None."""
        self._names = frozenset(("", *services))
        self._ready = ready
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Says NOT_SERVING from now on."""
        self._stopping.set()

    def Check(self, request: HealthCheckRequest, context: grpc.ServicerContext) -> HealthCheckResponse:  # noqa: N802 - the method's name
        """Returns the status of a service; NOT_FOUND for one that is not served here."""
        if request.service not in self._names:
            raise RefusedError(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return HealthCheckResponse(status=self._status(request.service))

    def Watch(  # noqa: N802 - the method's name
        self, request: HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[HealthCheckResponse]:
        """Yields the status of a service, and again whenever it has changed."""
        call, said = current_call(), None
        while True:
            status = self._status(request.service)
            if status != said:
                said = status
                yield HealthCheckResponse(status=status)
            call.wait(_LOOK_SECONDS)

    def _status(self, service: str) -> int:
        if service not in self._names:
            return HealthCheckResponse.SERVICE_UNKNOWN
        if self._stopping.is_set() or self._ready() is not None:
            return HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse.SERVING
