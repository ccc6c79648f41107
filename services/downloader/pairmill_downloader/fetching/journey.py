"""One attempt at a URL, hop by hop: consent, admission, request, answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pairmill.clock import Clock
from pairmill_downloader.fetching import tdm
from pairmill_downloader.fetching.aipref import usage_forbids_training
from pairmill_downloader.fetching.config import FetchConfig
from pairmill_downloader.fetching.consent import REDIRECTS, Consent
from pairmill_downloader.fetching.directives import forbidding_directive
from pairmill_downloader.fetching.exchange import Exchange, Fields, HttpClient, Request
from pairmill_downloader.fetching.retry_after import parse_retry_after
from pairmill_downloader.fetching.targets import Refusal, Target, redirect_target
from pairmill_downloader.fetching.trip import Trip
from pairmill_downloader.ports import FetchEnd, HopGate
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules

_ACCEPT: Final = "image/*,*/*;q=0.8"
_WHOLE: Final = frozenset({200, 203})
_MAX_DETAIL: Final = 300
_NO_REASON: Final = Reason.REASON_UNSPECIFIED

_WHERE_A_REDIRECT_MAY_NOT_LEAD: Final = frozenset(
    {Reason.REASON_BLOCKED_ADDRESS, Reason.REASON_BLOCKED_PORT, Reason.REASON_BAD_SCHEME}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What all attempts share."""

    client: HttpClient
    consent: Consent
    gate: HopGate
    clock: Clock
    config: FetchConfig
    partitions: int  # of the download topics: how many may own a host


class Journey:
    """One attempt; made for one call of `run`."""

    def __init__(self, means: Means, target: Target, rules: DownloadRules) -> None:
        self._means = means
        self._rules = rules
        self._target = target
        self._trip = Trip(
            means.gate,
            means.clock,
            rules,
            target,
            partitions=means.partitions,
            wait_seconds=means.config.hop_wait_seconds,
        )
        self._seconds_left = rules.deadline_seconds
        self._hops = 0
        self._requests = 0
        self._evidence = ""
        self._crawl_delay: float | None = None
        self._opt_out: Refusal | None = None
        self._visited = {target.url}

    async def run(self) -> FetchEnd:
        """Returns how the attempt ended."""
        while True:
            refusal = await self._refusal()
            if refusal is not None:
                return refusal
            exchange = await self._request()
            end = self._answered(exchange)
            if end is not None:
                return end

    async def _refusal(self) -> FetchEnd | None:
        """Asks for consent to request the target, and waits until it may be; None if so."""
        rules, target, consent = self._rules, self._target, self._means.consent
        reserved_path_may_be_read = True
        if rules.honour_robots:
            answer = await consent.robots(target, rules, self._trip)
            self._evidence = answer.evidence
            if answer.reason:
                return self._end(answer.reason, answer.detail, retry_after_seconds=answer.retry_after_seconds)
            if not answer.robots.allows(target.path):
                return self._end(Reason.REASON_ROBOTS_DISALLOWED, answer.evidence)
            if rules.honour_aipref and answer.robots.forbids_training(target.path):
                return self._end(Reason.REASON_OPT_OUT_AIPREF, "robots.txt forbids training")
            self._crawl_delay = answer.robots.crawl_delay_seconds
            reserved_path_may_be_read = answer.robots.allows(tdm.PATH)
        if rules.honour_tdm and reserved_path_may_be_read:
            reservations = await consent.reservations(target, rules, self._trip)
            if reservations.reserves(target.path):
                return self._end(Reason.REASON_OPT_OUT_TDM, tdm.PATH)
        if not await self._trip.may_start(target):
            return self._end(Reason.REASON_TIMEOUT_TOTAL, f"{target.host} does not admit the request in time")
        return None

    async def _request(self) -> Exchange:
        means, rules, target = self._means, self._rules, self._target
        if self._crawl_delay:
            delay = min(self._crawl_delay, means.config.crawl_delay_cap_seconds)
            means.gate.wait_at_least(target.host, delay)
        started = means.clock.monotonic()
        self._requests += 1
        exchange = await means.client.get(
            Request(
                target=target,
                user_agent=rules.user_agent,
                accept=_ACCEPT,
                connect_seconds=rules.connect_timeout_seconds,
                first_byte_seconds=rules.first_byte_timeout_seconds,
                total_seconds=max(0.001, self._seconds_left),
                max_body_bytes=rules.max_body_bytes,
            ),
            self._wants_body,
        )
        self._seconds_left -= means.clock.monotonic() - started
        return exchange

    def _wants_body(self, status: int, fields: Fields) -> bool:
        # Error pages often forbid to be indexed, which says nothing of the picture.
        speaks_for_picture = status in _WHOLE or status in REDIRECTS
        self._opt_out = _opt_out(fields, self._rules) if speaks_for_picture else None
        return status in _WHOLE and self._opt_out is None

    def _answered(self, exchange: Exchange) -> FetchEnd | None:
        """How the attempt ended with this answer; None if it goes on elsewhere."""
        status = exchange.status
        if exchange.reason:
            return self._end(exchange.reason, exchange.detail, exchange)
        if self._opt_out is not None:
            return self._end(*self._opt_out, exchange)
        if status in _WHOLE:
            return self._arrived(exchange)
        if status in REDIRECTS and exchange.fields.first("location"):
            return self._redirected(exchange)
        wait = self._pause(exchange)
        return self._end(_reason_of(status or 0), f"status {status}", exchange, retry_after_seconds=wait)

    def _arrived(self, exchange: Exchange) -> FetchEnd:
        size, least = len(exchange.body), self._rules.min_body_bytes
        if size < least:
            return self._end(Reason.REASON_BODY_TOO_SMALL, f"{size} bytes", exchange)
        return self._end(_NO_REASON, "", exchange, body=exchange.body)

    def _redirected(self, exchange: Exchange) -> FetchEnd | None:
        self._hops += 1
        following = redirect_target(exchange.fields.first("location"), self._target)
        if not isinstance(following, Target):
            reason, detail = following
            is_blocked = reason in _WHERE_A_REDIRECT_MAY_NOT_LEAD
            return self._end(reason if is_blocked else Reason.REASON_BAD_STATUS, detail, exchange)
        if self._hops > self._rules.max_redirects:
            return self._end(Reason.REASON_TOO_MANY_REDIRECTS, f"{self._hops} redirects", exchange)
        if following.url in self._visited:
            return self._end(Reason.REASON_TOO_MANY_REDIRECTS, "a loop", exchange)
        if self._seconds_left <= 0:
            return self._end(Reason.REASON_TIMEOUT_TOTAL, "the redirects took too long", exchange)
        self._visited.add(following.url)
        self._target = following
        return None

    def _pause(self, exchange: Exchange) -> float | None:
        """Lets the host rest where it asks for that; returns for how long, uncapped."""
        if (exchange.status or 0) < 500 and exchange.status != 429:
            return None
        wait = parse_retry_after(exchange.fields.first("retry-after"), self._means.clock.now())
        if wait:
            self._means.gate.wait_at_least(self._target.host, min(wait, self._rules.retry_after_cap_seconds))
        return wait

    def _end(
        self,
        reason: Reason.ValueType,
        detail: str,
        exchange: Exchange | None = None,
        *,
        body: bytes = b"",
        retry_after_seconds: float | None = None,
    ) -> FetchEnd:
        if self._hops and reason in _WHERE_A_REDIRECT_MAY_NOT_LEAD:
            reason = Reason.REASON_BLOCKED_REDIRECT
        answered = exchange is not None and exchange.status is not None
        return FetchEnd(
            reason=reason,
            detail=_shown(detail),
            body=body,
            http_status=exchange.status if exchange else None,
            content_type=_shown(exchange.fields.first("content-type")) if exchange else "",
            final_url=self._target.url if self._requests else "",
            robots=self._evidence,
            retry_after_seconds=retry_after_seconds,
            requests=self._requests,
            fetched_at=self._means.clock.now() if answered else None,
        )


def _shown(text: str) -> str:
    """Returns what a server had a say in, as text that any file can hold."""
    whole = text[:_MAX_DETAIL].encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in whole)


def _opt_out(fields: Fields, rules: DownloadRules) -> Refusal | None:
    """Which header field, if any, forbids use."""
    tags = fields.all("x-robots-tag")
    if tags:
        found = forbidding_directive(tags, rules.user_agent_token, rules.forbidding_directives)
        if found:
            return Reason.REASON_OPT_OUT_HEADER, f"X-Robots-Tag: {found}"
    if rules.honour_tdm and tdm.header_reserves(fields.all("tdm-reservation")):
        return Reason.REASON_OPT_OUT_TDM, "tdm-reservation: 1"
    if rules.honour_aipref and usage_forbids_training(fields.all("content-usage")):
        return Reason.REASON_OPT_OUT_AIPREF, "Content-Usage forbids training"
    return None


def _reason_of(status: int) -> Reason.ValueType:
    if status == 429:
        return Reason.REASON_HTTP_429
    if 400 <= status < 500:
        return Reason.REASON_HTTP_4XX
    if 500 <= status < 600:
        return Reason.REASON_HTTP_5XX
    return Reason.REASON_BAD_STATUS
