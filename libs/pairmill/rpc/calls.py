"""The call that a thread is serving: who called, and whether it is still wanted."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

import grpc

from pairmill.rpc.callers import Caller
from pairmill.rpc.refusals import RefusedError

REQUEST_ID: Final = "x-request-id"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call."""

    caller: Caller | None  # None for probes, which need no token
    request_id: str
    ended: threading.Event = field(default_factory=threading.Event)  # nobody waits for an answer any more

    def wait(self, seconds: float) -> None:
        """Waits; raises UNAVAILABLE as soon as the caller has left or the server stops."""
        if self.ended.wait(seconds):
            raise RefusedError(grpc.StatusCode.UNAVAILABLE, "the server stops; call again")


_CALL: ContextVar[Call] = ContextVar("call")


def enter_call(call: Call) -> None:
    """Makes a call the current one of this thread."""
    _CALL.set(call)


def current_call() -> Call:
    """Returns the call that this thread serves."""
    return _CALL.get()


def current_caller() -> Caller:
    """Returns who calls; raises UNAUTHENTICATED where it is nobody known."""
    caller = _CALL.get().caller
    if caller is None:
        raise RefusedError(grpc.StatusCode.UNAUTHENTICATED, "send a token")
    return caller


def request_id_of(metadata: Mapping[str, str]) -> str:
    """Returns the id that the caller gave, if it is one, or a fresh one."""
    given = metadata.get(REQUEST_ID, "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
