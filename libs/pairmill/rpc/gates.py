"""What a call has to pass before its request is looked at: token, role, deadline, size. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import grpc

from pairmill.rpc.callers import Caller
from pairmill.rpc.config import RpcConfig
from pairmill.rpc.methods import Method
from pairmill.rpc.refusals import InvalidRequestError, RefusedError, Violation

_BEARER: Final = "bearer "
_ROUNDING_SECONDS: Final = 1.0
"""A deadline travels as a rounded duration."""

_NEVER_SECONDS: Final = 1e9
"""From here on it is none at all: grpc gives the end of time where a call has no deadline."""


def plain_metadata(metadata: Iterable[tuple[str, str | bytes]]) -> Mapping[str, str]:
    """Returns the text entries of a call's metadata; of a key that stands there twice the first."""
    found: dict[str, str] = {}
    for key, value in metadata:
        if isinstance(value, str):
            found.setdefault(key, value)
    return found


def bearer_token(metadata: Mapping[str, str]) -> str:
    """Returns the token of `authorization: Bearer …`; raises UNAUTHENTICATED without one."""
    value = metadata.get("authorization", "")
    if not value.lower().startswith(_BEARER):
        raise RefusedError(
            grpc.StatusCode.UNAUTHENTICATED, "send a token as metadata `authorization: Bearer …`"
        )
    return value[len(_BEARER) :].strip()


def known_caller(caller: Caller | None) -> Caller:
    """Returns the caller; raises UNAUTHENTICATED if there is none."""
    if caller is None:
        raise RefusedError(grpc.StatusCode.UNAUTHENTICATED, "the token is not known, or has expired")
    return caller


def check_role(caller: Caller, name: str, method: Method | None) -> None:
    """Raises PERMISSION_DENIED unless the caller may call a method; nobody may what is not listed."""
    if method is None or method.role is None:
        raise RefusedError(grpc.StatusCode.PERMISSION_DENIED, f"{name} is not open to anyone")
    if caller.role < method.role:
        raise RefusedError(
            grpc.StatusCode.PERMISSION_DENIED,
            f"{name} needs the role {method.role.name.lower()}; {caller.name} has {caller.role.name.lower()}",
        )


def check_deadline(remaining_seconds: float | None, method: Method, config: RpcConfig) -> None:
    """Raises INVALID_ARGUMENT for a call without a deadline, or with one that is too far away."""
    most = config.max_watch_seconds if method.is_stream else config.max_deadline_seconds
    if remaining_seconds is None or remaining_seconds > _NEVER_SECONDS:
        problem = f"is not set; give the call a deadline of at most {most:g} s"
    elif remaining_seconds > most + _ROUNDING_SECONDS:
        problem = f"is {remaining_seconds:.0f} s away; at most {most:g} s"
    else:
        return
    raise InvalidRequestError([Violation(field="deadline", description=problem)])


def check_size(size: int, method: Method, config: RpcConfig) -> None:
    """Raises RESOURCE_EXHAUSTED for a request that is too large for its method."""
    most = config.max_message_bytes if method.max_bytes is None else method.max_bytes
    if size > most:
        raise RefusedError(
            grpc.StatusCode.RESOURCE_EXHAUSTED, f"the request has {size:,} bytes; at most {most:,}"
        )
