"""What an origin says about itself: robots.txt and tdmrep.json, each fetched once for all who ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pairmill.clock import Clock
from pairmill_downloader.fetching import tdm
from pairmill_downloader.fetching.config import FetchConfig
from pairmill_downloader.fetching.exchange import Exchange, Fields, HttpClient, Request
from pairmill_downloader.fetching.retry_after import parse_retry_after
from pairmill_downloader.fetching.robots import MAX_BYTES, NO_RULES, Robots, parse_robots
from pairmill_downloader.fetching.sharing import SharedCache
from pairmill_downloader.fetching.targets import Target, redirect_target
from pairmill_downloader.fetching.trip import Trip
from pairmill_downloader.ports import HopGate
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_ROBOTS_PATH: Final = "/robots.txt"
_MAX_REDIRECTS: Final = 5  # RFC 9309
_LONGEST_FAILURE_SECONDS: Final = 5.0  # time a failure is remembered, at most
_ACCEPT: Final = "text/plain,application/json,*/*;q=0.1"

_OF_THE_HOST: Final = frozenset(
    {
        Reason.REASON_BLOCKED_ADDRESS,
        Reason.REASON_DNS_NOT_FOUND,
        Reason.REASON_DNS_ERROR,
        Reason.REASON_TIMEOUT_CONNECT,
        Reason.REASON_CONNECTION_REFUSED,
        Reason.REASON_TLS_ERROR,
    }
)
"""No connection could be had, so that the URL itself would not fare better: its own failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsAnswer:
    """What robots.txt allows, or why that is not known."""

    lives_seconds: float
    robots: Robots = NO_RULES
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED  # unset: `robots` holds
    detail: str = ""
    evidence: str = ""  # such as `robots.txt 404`
    retry_after_seconds: float | None = None

    @property
    def weight(self) -> int:
        """Memory held, roughly, bytes."""
        return 300 + self.robots.weight


@dataclass(frozen=True, slots=True, kw_only=True)
class TdmAnswer:
    """What a tdmrep.json reserves."""

    lives_seconds: float
    reservations: tdm.Reservations = tdm.NO_RESERVATIONS

    @property
    def weight(self) -> int:
        """Memory held, roughly, bytes."""
        return 100 + self.reservations.weight


class Consent:
    """Asks origins, politely: at most one request for each file at a time, and answers are kept."""

    def __init__(self, client: HttpClient, gate: HopGate, clock: Clock, config: FetchConfig) -> None:
        self._client = client
        self._gate = gate
        self._clock = clock
        self._config = config
        self._robots: SharedCache[RobotsAnswer] = SharedCache(clock, config.robots_cache_bytes)
        self._tdm: SharedCache[TdmAnswer] = SharedCache(clock, config.robots_cache_bytes // 8)

    async def close(self) -> None:
        """Cancels what is under way."""
        await self._robots.close()
        await self._tdm.close()

    async def robots(self, target: Target, rules: DownloadRules, trip: Trip) -> RobotsAnswer:
        """Returns what the robots.txt of a target's origin says to the job's product token."""
        key = f"{target.origin} {rules.user_agent_token.lower()}"
        known = self._robots.known(key)
        if known is not None:
            return known
        answer = await self._robots.fetched(key, lambda: self._ask_robots(target, rules, trip))
        trip.use_turn()
        return answer

    async def reservations(self, target: Target, rules: DownloadRules, trip: Trip) -> tdm.Reservations:
        """Returns what the tdmrep.json of a target's origin reserves; nothing where there is none."""
        known = self._tdm.known(target.origin)
        if known is None:
            known = await self._tdm.fetched(target.origin, lambda: self._ask_tdm(target, rules, trip))
            trip.use_turn()
        return known.reservations

    async def _ask_robots(self, target: Target, rules: DownloadRules, trip: Trip) -> RobotsAnswer:
        found = await self._file(target.sibling(_ROBOTS_PATH), rules, trip, MAX_BYTES)
        answer = self._judged(found, rules)
        delay = answer.robots.crawl_delay_seconds
        if delay:
            self._gate.wait_at_least(target.host, min(delay, self._config.crawl_delay_cap_seconds))
        if answer.retry_after_seconds:
            self._gate.wait_at_least(
                target.host, min(answer.retry_after_seconds, rules.retry_after_cap_seconds)
            )
        return answer

    def _judged(self, found: _File, rules: DownloadRules) -> RobotsAnswer:
        exchange, lives = found.exchange, self._config.robots_ttl_seconds
        failure = RobotsAnswer(
            lives_seconds=_failure_lives(rules),
            reason=Reason.REASON_ROBOTS_UNREACHABLE,
            detail=f"robots.txt: {exchange.detail or exchange.status}",
            evidence=f"robots.txt {exchange.status or 'unreachable'}",
        )
        status = exchange.status or 0
        if exchange.reason in _OF_THE_HOST and found.hops == 0:
            return replace(failure, reason=exchange.reason, detail=exchange.detail)
        if exchange.reason:
            return failure
        evidence = f"robots.txt {status}"
        if 200 <= status < 300:
            robots = parse_robots(exchange.body, rules.user_agent_token)
            return RobotsAnswer(lives_seconds=lives, robots=robots, evidence=evidence)
        if status in REDIRECTS or (400 <= status < 500 and status != 429):
            # RFC 9309: not there, or more than five redirects away, so that everything is allowed.
            return RobotsAnswer(lives_seconds=lives, evidence=evidence)
        wait = parse_retry_after(exchange.fields.first("retry-after"), self._clock.now())
        return replace(failure, retry_after_seconds=wait)

    async def _ask_tdm(self, target: Target, rules: DownloadRules, trip: Trip) -> TdmAnswer:
        exchange = (await self._file(target.sibling(tdm.PATH), rules, trip, tdm.MAX_BYTES)).exchange
        if exchange.reason or (exchange.status or 0) >= 500:
            # Nothing was said; soon asked again.
            return TdmAnswer(lives_seconds=_failure_lives(rules))
        lives = self._config.robots_ttl_seconds
        if exchange.status != 200:
            return TdmAnswer(lives_seconds=lives)
        return TdmAnswer(lives_seconds=lives, reservations=tdm.parse_tdmrep(exchange.body))

    async def _file(self, target: Target, rules: DownloadRules, trip: Trip, max_bytes: int) -> _File:
        """Fetches a small file, over redirects to any host."""
        for hops in range(_MAX_REDIRECTS + 1):
            if not await trip.may_start(target):
                return _File(hops, _unreachable(f"{target.host} does not admit the request in time"))
            exchange = await self._client.get(_request(target, rules, max_bytes), _is_good)
            location = exchange.fields.first("location")
            if exchange.status not in REDIRECTS or not location or hops == _MAX_REDIRECTS:
                return _File(hops, exchange)
            following = redirect_target(location, target)
            if not isinstance(following, Target):
                return _File(hops + 1, _unreachable(f"redirected to a refused address: {following[1]}"))
            target = following
        raise AssertionError("the last hop returns")


@dataclass(frozen=True, slots=True)
class _File:
    """How the fetch of a small file ended, after how many redirects."""

    hops: int
    exchange: Exchange


def _is_good(status: int, fields: Fields) -> bool:
    del fields
    return 200 <= status < 300


def _unreachable(detail: str) -> Exchange:
    return Exchange(reason=Reason.REASON_ROBOTS_UNREACHABLE, detail=detail)


def _failure_lives(rules: DownloadRules) -> float:
    """Shorter than any delay after which a row is tried again, so that the trial is a real one."""
    return min([_LONGEST_FAILURE_SECONDS, *(delay / 2 for delay in rules.retry_delay_seconds)])


def _request(target: Target, rules: DownloadRules, max_bytes: int) -> Request:
    return Request(
        target=target,
        user_agent=rules.user_agent,
        accept=_ACCEPT,
        connect_seconds=rules.connect_timeout_seconds,
        first_byte_seconds=rules.first_byte_timeout_seconds,
        total_seconds=rules.deadline_seconds,
        max_body_bytes=max_bytes,
        cuts_body=True,
    )
