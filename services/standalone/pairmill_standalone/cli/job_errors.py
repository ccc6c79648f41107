"""What a gateway's refusals are to the command line: the field, what is wrong with it, and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError

from pairmill.errors import ConfigurationError, PairmillError, RetriableError
from pairmill_protos.gateway.v1.error_details_pb2 import BadRequest, ErrorStatus

if TYPE_CHECKING:
    import grpc

DETAILS_KEY: Final = "grpc-status-details-bin"
_BAD_REQUEST: Final = "/google.rpc.BadRequest"


class WrongStateError(PairmillError):
    """The state of the job does not allow it."""


class GatewayFailedError(PairmillError):
    """The gateway could not do it; its log says why."""


KINDS: Final[Mapping[str, tuple[type[PairmillError], str]]] = {
    "INVALID_ARGUMENT": (ConfigurationError, "{details}"),
    "OUT_OF_RANGE": (ConfigurationError, "{details}"),
    "NOT_FOUND": (ConfigurationError, "JOB: {details}; `pairmill job list` has those that there are"),
    "UNAUTHENTICATED": (ConfigurationError, "--token-file: {details}"),
    "PERMISSION_DENIED": (ConfigurationError, "--token-file: {details}"),
    "UNIMPLEMENTED": (ConfigurationError, "--target: {target} is no gateway of this version: {details}"),
    "FAILED_PRECONDITION": (WrongStateError, "{details}"),
    "ALREADY_EXISTS": (WrongStateError, "{details}"),
    "ABORTED": (RetriableError, "{details}; try again"),
    "UNAVAILABLE": (RetriableError, "{target} does not answer ({details}); see --target and --ca-file"),
    "DEADLINE_EXCEEDED": (RetriableError, "{target} did not answer in time; see --timeout"),
    "RESOURCE_EXHAUSTED": (RetriableError, "{details}"),
    "CANCELLED": (RetriableError, "the call was cut off; try again"),
    "DATA_LOSS": (GatewayFailedError, "{details}"),
    "INTERNAL": (GatewayFailedError, "{details}"),
    "UNKNOWN": (GatewayFailedError, "{details}"),
}
"""Every status that a call can fail with: what it is to us, and how it is said."""

OPTIONS: Final[Mapping[str, str]] = {
    "wats": "--wat",
    "sample_rate": "--sample",
    "job_id": "JOB",
    "deadline": "--timeout",
    "page_token": "--limit",
    "page_size": "--limit",
    "states": "--state",
    "interval_seconds": "--interval",
}
"""Options whose name is not that of their field."""


def error_of(error: grpc.RpcError, target: str) -> PairmillError:
    """Returns our error for one of grpc's, every problem of the request on a line of its own."""
    call: Any = error
    lines = [f"{option_of(field)}: {description}" for field, description in violations_in(call)]
    code = call.code().name
    kind, text = KINDS.get(code, (GatewayFailedError, "{details}"))
    if lines and kind is ConfigurationError:
        return ConfigurationError("\n".join(lines))
    return kind(text.format(details=call.details() or code, target=target))


def violations_in(call: Any) -> list[tuple[str, str]]:
    """Returns the fields with what is wrong with them, as they stand in the trailing metadata."""
    for key, value in call.trailing_metadata() or ():
        if key == DETAILS_KEY:
            return _violations(value)
    return []


def option_of(field: str) -> str:
    """Returns the option that a field of a request comes from."""
    if field.startswith("settings."):
        return f"--set {field.removeprefix('settings.')}"
    name, bracket, rest = field.partition("[")
    if name == "request":
        return name
    option = OPTIONS.get(name, "--" + name.replace("_", "-"))
    return f"{option} number {int(rest.rstrip(']')) + 1}" if bracket and rest[:-1].isdigit() else option


def _violations(data: bytes) -> list[tuple[str, str]]:
    try:
        for detail in ErrorStatus.FromString(data).details:
            if detail.type_url.endswith(_BAD_REQUEST):
                bad = BadRequest.FromString(detail.value)
                return [(one.field, one.description) for one in bad.field_violations]
    except DecodeError:  # details of somebody else; the status itself is enough
        return []
    return []
