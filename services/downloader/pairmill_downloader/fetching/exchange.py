"""One request and its answer, as the fetching rules see them: what an HTTP client has to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from pairmill_downloader.fetching.targets import Target
from pairmill_protos.common.v1.outcome_pb2 import Reason


class Fields:
    """Header fields of an answer; names are compared without case."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)

    def all(self, name: str) -> list[str]:
        """Returns all values of a field, by its name in lower case, in order."""
        return self._values.get(name, [])

    def first(self, name: str) -> str:
        """Returns the first value of a field, by its name in lower case; empty if there is none."""
        values = self._values.get(name)
        return values[0] if values else ""


NO_FIELDS: Final = Fields()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A GET, with its limits."""

    target: Target
    user_agent: str
    accept: str
    connect_seconds: float  # connection and TLS; the resolution of names has a time of its own
    first_byte_seconds: float  # between any two arrivals of bytes, the answer's first included
    total_seconds: float
    max_body_bytes: int  # decoded
    cuts_body: bool = False  # a longer body is cut, not refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """How a request ended."""

    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED  # unset: answered, and the body is whole if wanted
    detail: str = ""
    status: int | None = None
    fields: Fields = NO_FIELDS
    body: bytes = b""  # decoded


WantsBody = Callable[[int, Fields], bool]
"""Decides by status and header fields whether the body is read; if not, nothing of it is kept."""


class HttpClient(Protocol):
    """Sends requests to addresses that may be dialled, and to no others."""

    async def get(self, request: Request, wants_body: WantsBody) -> Exchange:
        """Returns how a request ended.

        Raises asyncio.CancelledError, and RetriableError where this machine cannot open connections.
        """
        ...

    async def close(self) -> None:
        """Closes all connections."""
        ...
