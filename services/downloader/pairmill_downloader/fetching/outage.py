"""Our own outage is not the hosts' failure (U15)."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pairmill.clock import Clock
from pairmill_protos.common.v1.outcome_pb2 import Reason

_WINDOW: Final = 200  # different hosts
_LEAST_HOSTS: Final = 20  # with canaries, which have the last word
_LEAST_DOMAINS: Final = 50  # without
_SHARE_WITH_CANARIES: Final = 0.80
_SHARE_WITHOUT: Final = 0.95
_HOLD_SECONDS: Final = 30.0  # a verdict lasts so long unless a host answers
_CANARY_SECONDS: Final = 5.0  # canaries are asked no more often

_CLASSES: Final[Mapping[Reason.ValueType, str]] = {
    Reason.REASON_DNS_ERROR: "resolution",
    Reason.REASON_DNS_NOT_FOUND: "resolution",  # some resolvers deny every name while they are cut off
    Reason.REASON_TIMEOUT_CONNECT: "connection",
    Reason.REASON_CONNECTION_REFUSED: "connection",
    Reason.REASON_RESET: "exchange",
    Reason.REASON_TIMEOUT_FIRST_BYTE: "exchange",
    Reason.REASON_TIMEOUT_TOTAL: "exchange",
    Reason.REASON_ROBOTS_UNREACHABLE: "exchange",
}
"""What may come from a network that is away, by the layer at which it shows."""

_SAY_NOTHING: Final = frozenset(
    {
        Reason.REASON_ROBOTS_DISALLOWED,
        Reason.REASON_OPT_OUT_TDM,
        Reason.REASON_OPT_OUT_AIPREF,
        Reason.REASON_BLOCKED_ADDRESS,
        Reason.REASON_BLOCKED_PORT,
        Reason.REASON_BAD_SCHEME,
        Reason.REASON_BAD_URL,
    }
)
"""Ends that may come without a request, by what is remembered of a host or by the URL alone."""

Probe = Callable[[str], Awaitable[bool]]
"""Whether anything at all answers at a URL."""

HasWay = Callable[[str], bool]
"""Whether this machine has any way to a host: without a route no host can be blamed."""


@dataclass(frozen=True, slots=True)
class _Last:
    """How the last attempt at a host ended."""

    domain: str
    failure: str  # class of network failure, empty for any other end


class NetworkOutageWatch:
    """Watches how attempts at different hosts end. Used from one event loop."""

    def __init__(
        self,
        clock: Clock,
        canary_urls: Sequence[str],
        probe: Probe,
        has_way: HasWay = lambda host: True,
    ) -> None:
        self._clock = clock
        self._canaries = tuple(canary_urls)
        self._probe = probe
        self._has_way = has_way
        self._is_cut_off = False
        self._hosts: OrderedDict[str, _Last] = OrderedDict()
        self._failures: Counter[str] = Counter()
        self._holds_until = float("-inf")
        self._canaries_answered_at = float("-inf")
        self._asking = asyncio.Lock()

    def ended(self, host: str, domain: str, reason: Reason.ValueType) -> None:
        """Notes how an attempt at a host ended; an answer of any host ends an outage."""
        failure = _CLASSES.get(reason, "")
        self._is_cut_off = bool(failure) and not self._has_way(host)
        if reason in _SAY_NOTHING:
            return
        if not failure:
            self._holds_until = float("-inf")
        self._drop(self._hosts.pop(host, None))
        self._hosts[host] = _Last(domain, failure)
        self._failures[failure] += 1
        while len(self._hosts) > _WINDOW:
            self._drop(self._hosts.popitem(last=False)[1])

    async def is_our_outage(self) -> bool:
        """Whether the network seems to be away on our side; cheap until suspicion arises.

        A verdict stands for half a minute; then it takes new evidence, because the old one would speak
        against a network that is back.
        """
        if self._holds():
            return True
        if self._is_cut_off:
            return self._found()
        if not self._is_suspicious():
            return False
        async with self._asking:  # canaries are asked once for all whose suspicion arises meanwhile
            if self._holds():
                return True
            if not self._is_suspicious() or await self._canaries_answer():
                return False
            return self._found()

    def _holds(self) -> bool:
        return self._clock.monotonic() < self._holds_until

    def _found(self) -> bool:
        self._hosts.clear()
        self._failures.clear()
        self._holds_until = self._clock.monotonic() + _HOLD_SECONDS
        return True

    def _is_suspicious(self) -> bool:
        failure, count = max(
            ((name, count) for name, count in self._failures.items() if name),
            key=lambda pair: pair[1],
            default=("", 0),
        )
        share = _SHARE_WITH_CANARIES if self._canaries else _SHARE_WITHOUT
        if count <= share * len(self._hosts):
            return False
        if self._canaries:
            return len(self._hosts) >= _LEAST_HOSTS
        return (
            len({last.domain for last in self._hosts.values() if last.failure == failure}) >= _LEAST_DOMAINS
        )

    async def _canaries_answer(self) -> bool:
        if self._clock.monotonic() < self._canaries_answered_at + _CANARY_SECONDS:
            return True
        for url in self._canaries:
            if await self._probe(url):
                self._canaries_answered_at = self._clock.monotonic()
                return True
        return False

    def _drop(self, last: _Last | None) -> None:
        if last is not None:
            self._failures[last.failure] -= 1
