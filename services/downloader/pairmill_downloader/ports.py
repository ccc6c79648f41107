"""What the download unit needs from outside: someone who fetches, and a host's permission to ask."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchEnd:
    """How one attempt at a URL ended, redirects included."""

    reason: Reason.ValueType  # unset: `body` is whole and may be used
    detail: str = ""  # what exactly, for people; never longer than 300 characters
    body: bytes = b""  # decoded (Content-Encoding undone)
    http_status: int | None = None  # of the last answer
    content_type: str = ""
    final_url: str = ""  # of the last request
    robots: str = ""  # evidence of consent: what allowed the request, such as `robots.txt 404`
    retry_after_seconds: float | None = None  # what the host asked for
    requests: int = 0  # requests sent for the URL itself (robots.txt not counted)
    fetched_at: datetime | None = None  # when the last answer came


class Fetcher(Protocol):
    """Fetches one URL under all rules of consent and safety. Used from one event loop.

    Checks robots.txt, addresses, ports and redirects itself; waits in the gate of another host before it
    follows a redirect there, but not for the URL's own host: that turn is the caller's.
    """

    async def fetch(self, url: str, rules: DownloadRules) -> FetchEnd:
        """Returns how one attempt ended; raises only asyncio.CancelledError."""
        ...

    async def close(self) -> None:
        """Closes all connections."""
        ...


class HostGate(Protocol):
    """Keeps each host and registrable domain to its rate and its connections (U10). One per process."""

    def turn(
        self, host: str, domain: str, rules: DownloadRules, *, deadline: float
    ) -> AbstractAsyncContextManager[bool]:
        """Waits for the host's turn and holds one of its connections within the context.

        Gives False, at once where that can be foreseen, if the turn does not come before `deadline`
        (of the clock's `monotonic`); then nothing may be sent. Turns are given in the order asked for.
        """
        ...

    def wait_at_least(self, host: str, seconds: float) -> None:
        """Lets no turn of a host begin for so long: what Retry-After or Crawl-delay asks for."""
        ...

    def all_contacted_now(self) -> None:
        """Treats every host as just contacted: another process may have asked it a moment ago (U10)."""
        ...


class OutageWatch(Protocol):
    """Tells our own outage from a host's failure (U15). Used from one event loop."""

    def ended(self, host: str, domain: str, reason: Reason.ValueType) -> None:
        """Notes how an attempt at a host ended."""
        ...

    async def is_our_outage(self) -> bool:
        """Whether the network seems to be away on our side; cheap until suspicion arises."""
        ...


Monotonic = Callable[[], float]
