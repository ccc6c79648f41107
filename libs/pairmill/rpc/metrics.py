"""Measures of the API. Labels come from closed sets and stand at zero from the start."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600, 3600)

CODES: Final = (
    grpc.StatusCode.OK,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.UNAUTHENTICATED,
)
"""All that a call can end with once it has reached a handler."""


class RpcMetrics:
    """Takes the API's measures into a registry."""

    def __init__(
        self, registry: CollectorRegistry, methods: Collection[str], streams_open: Callable[[], int]
    ) -> None:
        self._requests = Counter(
            "pairmill_rpc_requests",
            "Calls of the API by method and how they ended.",
            ("method", "code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "pairmill_rpc_duration_seconds",
            "How long calls of the API took.",
            ("method",),
            buckets=_SECONDS,
            registry=registry,
        )
        Gauge(
            "pairmill_rpc_streams_open", "Streams of the API that are open.", registry=registry
        ).set_function(streams_open)
        for method in methods:
            self._seconds.labels(method)
            for code in CODES:
                self._requests.labels(method, code.name)

    def ended(self, method: str, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a call that has ended."""
        self._requests.labels(method, code.name).inc()
        self._seconds.labels(method).observe(seconds)
