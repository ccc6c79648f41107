"""From our errors to gRPC status codes, and what clients are told of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any

from pairmill.errors import (
    ConfigurationError,
    CorruptObjectError,
    CutOffError,
    InvalidRecordError,
    NoSpaceError,
    ObjectMissingError,
    PairmillError,
    RetriableError,
)
from pairmill_protos.gateway.v1.error_details_pb2 import BadRequest, ErrorStatus, FieldViolation, RetryInfo

DETAILS_KEY: Final = "grpc-status-details-bin"
BAD_REQUEST_URL: Final = "type.googleapis.com/google.rpc.BadRequest"
RETRY_INFO_URL: Final = "type.googleapis.com/google.rpc.RetryInfo"
INTERNAL_TEXT: Final = "the server failed; its log has the request's id"
MAX_VIOLATIONS: Final = 20

_MAX_TEXT_BYTES: Final = 500
_MAX_FIELD_BYTES: Final = 80
_MAX_VIOLATION_BYTES: Final = 2000
"""All of a refusal has to fit into the 8 KiB of metadata that gRPC allows: the text, which takes three
times its bytes where it is not plain, and the details with the text once more, in base 64."""

_FIELD: Final = re.compile(r"^([A-Za-z_][\w.\-\[\]]*): (.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing that is wrong with a request."""

    field: str
    description: str


class RefusedError(PairmillError):
    """A call that is not served, with the status that its caller gets."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        violations: Sequence[Violation] = (),
        *,
        retry_seconds: float | None = None,
    ) -> None:
        """`retry_seconds` says after how long the same call may be served."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.violations = tuple(violations)
        self.retry_seconds = retry_seconds


class InvalidRequestError(RefusedError):
    """A request with everything that is wrong with it."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        shown = [*_as_many_as_fit(violations)]
        if len(violations) > len(shown):
            rest = len(violations) - len(shown)
            shown.append(Violation(field="request", description=f"and {rest:,} more problems"))
        text = "; ".join(f"{one.field}: {one.description}" for one in shown)
        super().__init__(grpc.StatusCode.INVALID_ARGUMENT, shortened(text), shown)


Refuse: TypeAlias = Callable[[Exception], "RefusedError"]
"""Returns what a caller is told of an error."""

Codes: TypeAlias = tuple[tuple[type[PairmillError], grpc.StatusCode], ...]
"""From kinds of errors to status codes, the most specific first."""

COMMON_CODES: Final[Codes] = (
    (ConfigurationError, grpc.StatusCode.INVALID_ARGUMENT),
    (NoSpaceError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (RetriableError, grpc.StatusCode.UNAVAILABLE),
    (CutOffError, grpc.StatusCode.UNAVAILABLE),
    (CorruptObjectError, grpc.StatusCode.DATA_LOSS),
    (ObjectMissingError, grpc.StatusCode.DATA_LOSS),
    (InvalidRecordError, grpc.StatusCode.DATA_LOSS),
)
"""What the errors of libs are to a caller; a service puts its own before them."""


def refusal_of(error: Exception, codes: Codes = COMMON_CODES) -> RefusedError:
    """Returns what the caller is told of an error; of one that is not in the table only that it is a bug."""
    if isinstance(error, RefusedError):
        return error
    for kind, code in codes:
        if isinstance(error, kind):
            if code is grpc.StatusCode.INVALID_ARGUMENT:
                return InvalidRequestError(violations_of(str(error)))
            return RefusedError(code, shortened(str(error)))
    return RefusedError(grpc.StatusCode.INTERNAL, INTERNAL_TEXT)


def violations_of(text: str) -> list[Violation]:
    """Returns the lines `field: problem` of a ConfigurationError; lines without a field are the request's."""
    found = []
    for line in filter(None, text.splitlines()):
        named = _FIELD.match(line)
        field, description = (named[1], named[2]) if named else ("request", line)
        found.append(Violation(field=field, description=description))
    return found


def details_of(refusal: RefusedError) -> bytes:
    """Returns the value of the trailing metadata `grpc-status-details-bin`."""
    status = ErrorStatus(code=refusal.code.value[0], message=refusal.message)
    if refusal.violations:
        bad = BadRequest(
            field_violations=[
                FieldViolation(field=one.field, description=one.description) for one in refusal.violations
            ]
        )
        status.details.append(Any(type_url=BAD_REQUEST_URL, value=bad.SerializeToString()))
    if refusal.retry_seconds is not None:
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(round(refusal.retry_seconds * 1000))
        status.details.append(Any(type_url=RETRY_INFO_URL, value=retry.SerializeToString()))
    return status.SerializeToString()


def _as_many_as_fit(violations: Sequence[Violation]) -> Iterator[Violation]:
    left = _MAX_VIOLATION_BYTES
    for one in violations[:MAX_VIOLATIONS]:
        cut = Violation(field=shortened(one.field, _MAX_FIELD_BYTES), description=shortened(one.description))
        left -= len(cut.field.encode()) + len(cut.description.encode())
        if left < 0:
            return
        yield cut


def shortened(text: str, most: int = _MAX_TEXT_BYTES) -> str:
    """Returns the beginning of a text, in at most so many bytes of UTF-8; what is no text is replaced."""
    data = text.encode(errors="replace")
    if len(data) <= most:
        return data.decode()
    return data[: most - 3].decode(errors="ignore") + "…"
