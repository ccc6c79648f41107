"""What is asked, and what goes back over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request without its body."""

    method: str
    target: str  # path and query as they stand in the request line
    headers: Mapping[str, str]  # names in lower case

    @property
    def host(self) -> str:
        """The host asked for, in lower case and without a port."""
        name = self.headers.get("host", "").lower()
        return name if name.endswith("]") else name.partition(":")[0]

    @property
    def agent(self) -> str:
        """Who asks."""
        return self.headers.get("user-agent", "")

    @property
    def is_last(self) -> bool:
        """Whether the client wants the connection closed after the answer."""
        return self.headers.get("connection", "").lower() == "close"


class Manner(Enum):
    """How an answer is sent."""

    PLAIN = auto()  # at once
    SLOW = auto()  # first byte late, then in pieces
    SHORT = auto()  # a part of the body, then the end of the connection
    ENDLESS = auto()  # the body again and again as chunks, until the client has enough
    SILENT = auto()  # nothing at all, until the client has enough
    DRIP = auto()  # the headers, then a byte now and then
    RESET = auto()  # the connection is reset
    RAW = auto()  # the body without status line and headers, then the end of the connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    manner: Manner = Manner.PLAIN


NOTHING: Final = Reply(manner=Manner.SILENT)
RESET: Final = Reply(manner=Manner.RESET)
NOT_FOUND: Final = Reply(
    status=404, headers=(("Content-Type", "text/plain"),), body=b"There is nothing here.\n"
)
