"""From refusals to HTTP: status, headers, and a body of JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import grpc
import msgspec
from aiohttp import web

from pairmill.errors import NoSpaceError
from pairmill.rpc.refusals import RefusedError
from pairmill_explorer.errors import TooLargeError
from pairmill_explorer.http.origins import JSON
from pairmill_explorer.rpc.refusals import explorer_refusal

STATUSES: Final[Mapping[grpc.StatusCode, int]] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
"""Of every status that a request can end with."""

_RETRY_SECONDS: Final = 5.0


def problem_response(error: Exception) -> web.Response:
    """Returns what a caller is told of an error."""
    refusal = refusal_for(error)
    body = msgspec.json.encode(
        {
            "code": refusal.code.name,
            "message": refusal.message,
            "violations": [
                {"field": one.field, "description": one.description} for one in refusal.violations
            ],
        }
    )
    return web.Response(
        status=status_of(error, refusal), body=body, content_type=JSON, headers=_headers(refusal)
    )


def refusal_for(error: Exception) -> RefusedError:
    """Returns an error as a refusal."""
    if isinstance(error, TimeoutError):
        return RefusedError(grpc.StatusCode.DEADLINE_EXCEEDED, "there was no time left for the answer")
    return explorer_refusal(error)


def status_of(error: Exception, refusal: RefusedError) -> int:
    """Returns the status of an error: what is too large or too much has three, where gRPC has one."""
    if isinstance(error, TooLargeError):
        return 413
    return 507 if isinstance(error, NoSpaceError) else STATUSES[refusal.code]


def _headers(refusal: RefusedError) -> dict[str, str]:
    if refusal.code is grpc.StatusCode.UNAUTHENTICATED:
        return {"WWW-Authenticate": "Bearer"}
    if refusal.code is grpc.StatusCode.UNAVAILABLE or refusal.retry_seconds is not None:
        return {"Retry-After": str(math.ceil(refusal.retry_seconds or _RETRY_SECONDS))}
    return {}
