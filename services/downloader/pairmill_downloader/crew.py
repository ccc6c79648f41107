"""The work on a unit's URLs on the event loop: whose turn it is, fetch, examine, again or not (U9)."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pairmill.errors import RetriableError
from pairmill.reasons import RETRIABLE
from pairmill_downloader.ends import (
    Ended,
    HandedOn,
    Round,
    TargetEnd,
    Tries,
    TryAgain,
    after_failure,
    after_last_try,
    ended,
    without_body,
)
from pairmill_downloader.ports import DownloadObserver, Examiner, FetchEnd, Monotonic, Network
from pairmill_downloader.queues import DomainQueue, queues_of
from pairmill_downloader.shards.spill import ImageSpill
from pairmill_downloader.targets import Target
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules, ImageRules

_FIRST_TURN_SECONDS = 3600.0
"""Longest wait for a domain's first turn, which every unit waits for so that follow-ups come to an end."""

_MAY_BE_OURS = RETRIABLE | {Reason.REASON_DNS_NOT_FOUND}
"""Failures that an outage may cause: a resolver that is cut off may deny every name."""


class OurOutageError(RetriableError):
    """The network seems to be away on our side; what failed of late says nothing of the hosts (U15)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a crew works with."""

    network: Network
    examiner: Examiner
    observer: DownloadObserver
    monotonic: Monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a crew is to do."""

    download: DownloadRules
    image: ImageRules
    place: Round
    deadline_seconds: float  # then no further turn begins, but a domain's first


@dataclass(slots=True)
class Crew:
    """Works on the URLs of one unit. Belongs to one event loop; what it found is read once it ended."""

    orders: Orders
    means: Means
    spill: ImageSpill
    jitter: Callable[[], float] = random.random
    ends: dict[str, TargetEnd] = field(default_factory=dict)  # by URL
    tried: dict[str, Tries] = field(default_factory=dict)  # URLs that failed and were to be tried again
    _slots: asyncio.Semaphore = field(init=False)
    _deadline: float = field(init=False)

    async def work(self, targets: Sequence[Target]) -> None:
        """Brings every URL to an end; raises OurOutageError where the network is away.

        Cancelled, it leaves in `ends` what it has.
        """
        rules = self.orders.download
        self._slots = asyncio.Semaphore(rules.unit_connections)
        self._deadline = self.means.monotonic() + self.orders.deadline_seconds
        try:
            async with asyncio.TaskGroup() as group:
                for queue in queues_of(targets, rules.host_delay_seconds):
                    for _ in range(min(max(1, rules.host_connections), len(queue))):
                        group.create_task(self._serve(queue))
        except ExceptionGroup as group_error:
            raise _first_of(group_error) from group_error

    def left(self, target: Target) -> HandedOn:
        """Returns the end of a URL that was not through when the crew was stopped: as if it had waited."""
        tries = self.tried.get(target.url)
        return HandedOn(
            target=target,
            attempts=tries.in_all if tries else target.attempts_used,
            next_round=False,
            retry_after_rounds=target.retry_after_rounds,
        )

    async def _serve(self, queue: DomainQueue) -> None:
        """Asks for a domain's URLs one after the other until none is left or time is up."""
        self.means.observer.serving(1)
        try:
            await self._work_off(queue)
        finally:
            self.means.observer.serving(-1)

    async def _work_off(self, queue: DomainQueue) -> None:
        while len(queue):
            wait = queue.next_time() - self.means.monotonic()
            is_late = self.means.monotonic() + wait > self._deadline
            if wait == math.inf or (queue.asked and is_late):
                self._put_off(queue)
                return
            if wait > 0:
                await asyncio.sleep(wait)
            async with self._slots:
                tries = queue.take_ready(self.means.monotonic())
                if tries is not None:
                    await self._turn(queue, tries)

    async def _turn(self, queue: DomainQueue, tries: Tries) -> None:
        """Waits at the gate with one of the unit's connections in hand, then asks once."""
        target, asked_at = tries.target, self.means.monotonic()
        deadline = self._deadline if queue.asked else max(self._deadline, asked_at + _FIRST_TURN_SECONDS)
        gate = self.means.network.gate
        async with gate.turn(target.host, target.domain, self.orders.download, deadline=deadline) as admitted:
            now = self.means.monotonic()
            self.means.observer.waited(now - asked_at)
            if not admitted:
                queue.pause_host(target.host, math.inf)
                queue.put_back(tries)
                return
            queue.had_turn(now, now - asked_at)
            end = await self._fetch(target)
            self.means.observer.fetched(end.reason, len(end.body), self.means.monotonic() - now)
        tries.made += 1
        tries.last = without_body(end)
        await self._watch(target, end)
        if end.reason == Reason.REASON_UNSPECIFIED:
            self.ends[target.url] = await self._examined(tries, end)
        else:
            self._failed(queue, tries, end)

    async def _fetch(self, target: Target) -> FetchEnd:
        self.means.observer.fetching(1)
        try:
            return await self.means.network.fetcher.fetch(target.url, self.orders.download)
        finally:
            self.means.observer.fetching(-1)

    async def _watch(self, target: Target, end: FetchEnd) -> None:
        watch = self.means.network.watch
        watch.ended(target.host, target.domain, end.reason)
        if end.reason in _MAY_BE_OURS and await watch.is_our_outage():
            raise OurOutageError(
                "the network seems to be away: hosts cannot be reached, and neither can the canaries"
            )

    async def _examined(self, tries: Tries, end: FetchEnd) -> Ended:
        facts = ended(tries, end)
        size = len(end.body)
        least = self.orders.download.min_body_bytes
        if size < least:
            reason, detail = Reason.REASON_BODY_TOO_SMALL, f"{size} bytes, at least {least}"
            return replace(facts, reason=reason, detail=detail, body_bytes=size)
        start = self.means.monotonic()
        found = await asyncio.wrap_future(self.means.examiner.submit(end.body, self.orders.image))
        self.means.observer.examined(found.reason, self.means.monotonic() - start)
        return replace(
            facts,
            reason=found.reason,
            detail=found.detail,
            body_bytes=size,
            examined=replace(found, stored=replace(found.stored, data=b"") if found.stored else None),
            place=self.spill.append(found.stored.data) if found.stored else None,
        )

    def _failed(self, queue: DomainQueue, tries: Tries, end: FetchEnd) -> None:
        target, rules = tries.target, self.orders.download
        now = self.means.monotonic()
        if end.retry_after_seconds is not None:
            pause = min(max(0.0, end.retry_after_seconds), rules.retry_after_cap_seconds)
            self.means.network.gate.wait_at_least(target.host, pause)
            queue.pause_host(target.host, now + pause)
        match after_failure(tries, end, rules, self.orders.place, self.jitter()):
            case TryAgain() as again:
                tries.not_before = now + again.pause_seconds
                self.tried[target.url] = tries
                queue.add(tries)
            case (Ended() | HandedOn()) as final:
                self.ends[target.url] = final

    def _put_off(self, queue: DomainQueue) -> None:
        """Hands on what is left of a domain when time is up: what failed to the next round."""
        for tries in queue.drain():
            self.ends[tries.target.url] = self._rest_of(tries)

    def _rest_of(self, tries: Tries) -> TargetEnd:
        if tries.last is not None:
            return after_last_try(tries, tries.last, self.orders.place)
        return self.left(tries.target)


def _first_of(error: Exception) -> Exception:
    """Returns the first error in a group of groups."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
