"""Names to addresses that may be dialled: the only way from a host to a connection (C1, C3, C4)."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from pairmill.clock import Clock
from pairmill_downloader.fetching.addresses import AddressPolicy
from pairmill_downloader.fetching.config import NoAddress, Route
from pairmill_protos.common.v1.outcome_pb2 import Reason

_ERROR_TTL_SECONDS: Final = 1.0  # of denials too: those of an outage may not outlast it
_MAX_ADDRESSES: Final = 4  # of a family: the client dials each of them, and those that fail repeatedly

_DOES_NOT_EXIST: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
"""The name does not exist, or has no address and never will: asking again is of no use."""


class ResolutionError(Exception):
    """A name gave no address."""

    def __init__(self, reason: Reason.ValueType, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class BlockedAddressError(OSError):
    """A host has no address that may be dialled."""

    def __init__(self, detail: str) -> None:
        super().__init__(errno.EACCES, detail)


class Lookup(Protocol):
    """Who knows the addresses of names."""

    async def addresses(self, host: str) -> Sequence[str]:
        """Returns the addresses of a name; raises ResolutionError."""
        ...

    def close(self) -> None:
        """Gives back what it holds."""
        ...


class SystemLookup:
    """The machine's resolver, in threads of its own."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="dns")

    async def addresses(self, host: str) -> Sequence[str]:
        """Returns the addresses of a name; raises ResolutionError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _ask, host)

    def close(self) -> None:
        """Lets no further question through; those under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class _Known:
    expires_at: float
    addresses: tuple[str, ...]  # empty where `error` is set
    error: ResolutionError | None


class CheckedResolver(AbstractResolver):
    """Gives the client the addresses of a host that the policy admits, so that it can dial no others.

    Since the client dials what it is given here, an answer that changes afterwards changes nothing.
    """

    def __init__(
        self,
        lookup: Lookup,
        policy: AddressPolicy,
        clock: Clock,
        *,
        routes: Sequence[Route] = (),
        timeout_seconds: float,
        ttl_seconds: float,
        cache_entries: int,
        at_once: int,
    ) -> None:
        """`at_once`: names that the lookup looks up at a time; more wait, which counts against none."""
        self._lookup = lookup
        self._policy = policy
        self._clock = clock
        self._routes = {route.suffix: route for route in routes}
        self._timeout_seconds = timeout_seconds
        self._ttl_seconds = ttl_seconds
        self._cache_entries = cache_entries
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._places = asyncio.Semaphore(at_once)
        self._asking: set[asyncio.Future[Sequence[str]]] = set()

    async def look_up(self, host: str) -> None:
        """Makes the addresses of a host known ahead of a request; raises ResolutionError."""
        if self._route(host) is None:
            await self._addresses(host)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Returns what may be dialled; raises ResolutionError or BlockedAddressError."""
        del family
        route = self._route(host)
        if route is None:
            addresses: Sequence[str] = await self._addresses(host)
        elif route.failure is None:
            addresses, port = (route.address,), route.port
        else:
            raise _failed_as_told(route.failure)
        admitted = [address for address in addresses if self._policy.admits(address)]
        if not admitted:
            raise BlockedAddressError(", ".join(addresses)[:200] or "no address")
        return [_result(host, address, port) for address in admitted]

    async def close(self) -> None:
        """Closes the lookup."""
        self._lookup.close()
        for asking in self._asking:
            asking.cancel()

    def _route(self, host: str) -> Route | None:
        """The route of the longest suffix of a host."""
        if not self._routes:
            return None
        name = host.rstrip(".")
        while name:
            route = self._routes.get(name)
            if route is not None:
                return route
            name = name.partition(".")[2]
        return None

    async def _addresses(self, host: str) -> tuple[str, ...]:
        known = self._known.get(host)
        if known is None or known.expires_at <= self._clock.monotonic():
            known = self._keep(host, await self._asked(host))
        if known.error is not None:
            raise ResolutionError(known.error.reason, str(known.error))
        return known.addresses

    async def _asked(self, host: str) -> _Known:
        await self._places.acquire()
        asking = asyncio.ensure_future(self._lookup.addresses(host))
        self._asking.add(asking)
        asking.add_done_callback(self._answered)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                addresses = _few(await asyncio.shield(asking))
            return _Known(self._clock.monotonic() + self._ttl_seconds, addresses, None)
        except TimeoutError:
            late = ResolutionError(Reason.REASON_DNS_ERROR, f"no answer in {self._timeout_seconds:g} s")
            return _Known(self._clock.monotonic(), (), late)
        except ResolutionError as error:
            ttl = min(self._ttl_seconds, _ERROR_TTL_SECONDS)
            return _Known(self._clock.monotonic() + ttl, (), error)

    def _answered(self, asking: asyncio.Future[Sequence[str]]) -> None:
        """Frees a place: not before the lookup is over, however long ago it was given up."""
        self._asking.discard(asking)
        self._places.release()
        if not asking.cancelled():
            asking.exception()

    def _keep(self, host: str, known: _Known) -> _Known:
        self._known[host] = known
        self._known.move_to_end(host)
        while len(self._known) > self._cache_entries:
            self._known.popitem(last=False)
        return known


def _few(addresses: Sequence[str]) -> tuple[str, ...]:
    """Returns the first addresses of each family: an answer may hold thousands, all of them a victim's."""
    found = dict.fromkeys(addresses)
    families = ([one for one in found if (":" in one) is is_v6] for is_v6 in (False, True))
    few = {one for family in families for one in family[:_MAX_ADDRESSES]}
    return tuple(one for one in found if one in few)


def _ask(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        is_final = error.errno in _DOES_NOT_EXIST
        reason = Reason.REASON_DNS_NOT_FOUND if is_final else Reason.REASON_DNS_ERROR
        raise ResolutionError(reason, error.strerror or "no answer") from error
    except (OSError, UnicodeError) as error:
        # A label longer than 63 characters, for one, is a name that cannot exist.
        is_final = isinstance(error, UnicodeError)
        reason = Reason.REASON_DNS_NOT_FOUND if is_final else Reason.REASON_DNS_ERROR
        raise ResolutionError(reason, str(error)) from error
    return [str(address[4][0]) for address in found]


def _failed_as_told(failure: NoAddress) -> ResolutionError:
    if failure is NoAddress.NXDOMAIN:
        return ResolutionError(Reason.REASON_DNS_NOT_FOUND, "the name does not exist, by configuration")
    return ResolutionError(Reason.REASON_DNS_ERROR, "the name is not resolved, by configuration")


def _result(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
