"""What a service's refusals are to the command line: the field, what is wrong with it, and the fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf.message import DecodeError

from pairmill.errors import ConfigurationError, PairmillError, RetriableError
from pairmill_protos.gateway.v1.error_details_pb2 import BadRequest, ErrorStatus

if TYPE_CHECKING:
    import grpc

DETAILS_KEY: Final = "grpc-status-details-bin"
_BAD_REQUEST: Final = "/google.rpc.BadRequest"


class WrongStateError(PairmillError):
    """The state of what was named does not allow it."""


class ServerFailedError(PairmillError):
    """The server could not do it; its log says why."""


Kinds: TypeAlias = Mapping[str, tuple[type[PairmillError], str]]
"""From a status to our error, and how it is said."""

KINDS: Final[Kinds] = {
    "INVALID_ARGUMENT": (ConfigurationError, "{details}"),
    "OUT_OF_RANGE": (ConfigurationError, "{details}"),
    "NOT_FOUND": (ConfigurationError, "{details}"),
    "UNAUTHENTICATED": (ConfigurationError, "--token-file: {details}"),
    "PERMISSION_DENIED": (ConfigurationError, "--token-file: {details}"),
    "UNIMPLEMENTED": (ConfigurationError, "--target: {target} is no {server} of this version: {details}"),
    "FAILED_PRECONDITION": (WrongStateError, "{details}"),
    "ALREADY_EXISTS": (WrongStateError, "{details}"),
    "ABORTED": (RetriableError, "{details}; try again"),
    "UNAVAILABLE": (RetriableError, "{target} does not answer ({details}); see --target and --ca-file"),
    "DEADLINE_EXCEEDED": (RetriableError, "{target} did not answer in time; see --timeout"),
    "RESOURCE_EXHAUSTED": (RetriableError, "{details}"),
    "CANCELLED": (RetriableError, "the call was cut off; try again"),
    "DATA_LOSS": (ServerFailedError, "{details}"),
    "INTERNAL": (ServerFailedError, "{details}"),
    "UNKNOWN": (ServerFailedError, "{details}"),
}
"""Every status that a call can fail with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a service's calls and fields are on the command line."""

    server: str  # what it is called
    option_of: Callable[[str], str]  # from a field of a request to the option that it comes from
    kinds: Kinds = field(default_factory=dict)  # where they are said in other words than those of all


def error_of(error: grpc.RpcError, target: str, dialect: Dialect) -> PairmillError:
    """Returns our error for one of grpc's, every problem of the request on a line of its own."""
    call: Any = error
    lines = [f"{dialect.option_of(one)}: {description}" for one, description in violations_in(call)]
    code = call.code().name
    kind, text = {**KINDS, **dialect.kinds}.get(code, (ServerFailedError, "{details}"))
    if lines and (kind is ConfigurationError or code == "RESOURCE_EXHAUSTED"):  # a field that holds too much
        return ConfigurationError("\n".join(lines))
    return kind(text.format(details=call.details() or code, target=target, server=dialect.server))


def violations_in(call: Any) -> list[tuple[str, str]]:
    """Returns the fields with what is wrong with them, as they stand in the trailing metadata."""
    for key, value in call.trailing_metadata() or ():
        if key == DETAILS_KEY:
            return _violations(value)
    return []


def _violations(data: bytes) -> list[tuple[str, str]]:
    try:
        for detail in ErrorStatus.FromString(data).details:
            if detail.type_url.endswith(_BAD_REQUEST):
                bad = BadRequest.FromString(detail.value)
                return [(one.field, one.description) for one in bad.field_violations]
    except DecodeError:  # details of somebody else; the status itself is enough
        return []
    return []
