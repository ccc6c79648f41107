"""What the explorer's errors are to a caller."""

from __future__ import annotations

from typing import Final

import grpc

from pairmill.rpc.refusals import InvalidRequestError, RefusedError, Violation, refusal_of, shortened
from pairmill_explorer.errors import BadRequestError, NotFoundError, RequestError, TooLargeError

CODES: Final[tuple[tuple[type[RequestError], grpc.StatusCode], ...]] = (
    (BadRequestError, grpc.StatusCode.INVALID_ARGUMENT),
    (TooLargeError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
)
"""Each names the field that is wrong."""


def explorer_refusal(error: Exception) -> RefusedError:
    """Returns what a caller is told of an error."""
    if not isinstance(error, RequestError):
        return refusal_of(error)
    violation = Violation(field=error.field, description=shortened(error.description))
    for kind, code in CODES:
        if isinstance(error, kind) and code is not grpc.StatusCode.INVALID_ARGUMENT:
            return RefusedError(code, shortened(str(error)), [violation])
    return InvalidRequestError([violation])
