"""What the download unit needs from outside: someone who fetches, and a host's permission to ask."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pairmill_downloader.images.examine import Examined
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules, ImageRules


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
        """Returns how one attempt ended.

        Raises asyncio.CancelledError, and RetriableError where this machine cannot open connections (no
        file descriptors left): the environment's fault, for which no attempt counts.
        """
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


class HopGate(Protocol):
    """What a fetch that has a turn asks of the gate for its further requests: robots.txt, redirects."""

    async def further_start(
        self, host: str, domain: str, rules: DownloadRules, *, deadline: float, divided_by: int = 1
    ) -> bool:
        """Waits, ahead of all turns, until a further request of the fetch may start; False if too late.

        It keeps the time between starts, and takes no connection of its own: the fetch holds one, and
        two hosts that redirect to each other would wait for ever. `divided_by` takes a part of the rate.
        """
        ...

    def wait_at_least(self, host: str, seconds: float) -> None:
        """Lets no request to a host start for so long."""
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


class Examiner(Protocol):
    """Turns fetched bytes into an image to store, somewhere where they can do no harm. Thread-safe."""

    def submit(self, data: bytes, rules: ImageRules) -> Future[Examined]:
        """Examines bytes as soon as there is room; the future raises RetriableError if that cannot be."""
        ...

    def close(self) -> None:
        """Ends what was started; work that waits is dropped."""
        ...


class DownloadObserver(Protocol):
    """Takes the measures of downloading. Thread-safe."""

    def fetched(self, reason: Reason.ValueType, body_bytes: int, seconds: float) -> None:
        """One attempt at a URL ended."""
        ...

    def serving(self, change: int) -> None:
        """So many more domains, or fewer, have URLs left that a unit at work asks for."""
        ...

    def fetching(self, change: int) -> None:
        """So many more attempts at URLs, or fewer, are under way."""
        ...

    def waited(self, seconds: float) -> None:
        """A host's turn came, or was refused, after so long."""
        ...

    def examined(self, reason: Reason.ValueType, seconds: float) -> None:
        """A body was examined, the wait for a free decoder included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What reaches hosts; all of it belongs to one event loop."""

    fetcher: Fetcher
    gate: HostGate
    watch: OutageWatch
