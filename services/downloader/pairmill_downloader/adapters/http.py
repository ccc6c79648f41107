"""HTTP by aiohttp: redirects, cookies, proxies, decoding and name resolution of its own are all off."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from yarl import URL

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError
from pairmill_downloader.adapters.http_errors import CAUGHT, translated
from pairmill_downloader.adapters.resolver import BlockedAddressError, CheckedResolver, Lookup, SystemLookup
from pairmill_downloader.fetching.addresses import AddressPolicy, literal_address
from pairmill_downloader.fetching.config import FetchConfig
from pairmill_downloader.fetching.encoding import ACCEPT_ENCODING, Body, BodyError
from pairmill_downloader.fetching.exchange import Exchange, Fields, Request, WantsBody
from pairmill_downloader.fetching.fetcher import HttpFetcher
from pairmill_downloader.permit import Permit
from pairmill_downloader.ports import HopGate
from pairmill_protos.common.v1.outcome_pb2 import Reason

_MAX_LINE: Final = 16 * 1024
_MAX_FIELD: Final = 16 * 1024
_MAX_FIELDS: Final = 200
_READ_BYTES: Final = 1 << 18


@asynccontextmanager
async def open_fetcher(
    config: FetchConfig,
    gate: HopGate,
    clock: Clock,
    *,
    partitions: int = 1,
    lookup: Lookup | None = None,
    permit: Permit | None = None,
) -> AsyncIterator[HttpFetcher]:
    """Opens a fetcher on the running loop; the machine's resolver is used unless another is given.

    `partitions` is the number of the download topics: a request that leaves its domain keeps to that part
    of the other domain's rate (U10).
    """
    client = AiohttpClient(config, clock, lookup or SystemLookup(config.dns_threads), permit or Permit())
    fetcher = HttpFetcher(client, gate, clock, config, partitions=partitions)
    try:
        yield fetcher
    finally:
        await fetcher.close()


class AiohttpClient:
    """Sends requests to addresses that the policy admits. Made and used on one running event loop."""

    def __init__(self, config: FetchConfig, clock: Clock, lookup: Lookup, permit: Permit) -> None:
        self._permit = permit
        self._policy = AddressPolicy(config.allowed_networks)
        self._resolver = CheckedResolver(
            lookup,
            self._policy,
            clock,
            routes=config.connect_to,
            timeout_seconds=config.dns_timeout_seconds,
            ttl_seconds=config.dns_ttl_seconds,
            cache_entries=config.dns_cache_entries,
            at_once=config.dns_threads,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector(config),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            requote_redirect_url=False,
            read_bufsize=_READ_BYTES,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_FIELD,
            max_headers=_MAX_FIELDS,
        )

    async def get(self, request: Request, wants_body: WantsBody) -> Exchange:
        """Returns how a request ended."""
        address = literal_address(request.target.host)
        if address is not None and not self._policy.admits(address):
            return Exchange(reason=Reason.REASON_BLOCKED_ADDRESS, detail=address)
        answer = _Answer(request, wants_body)
        try:
            if address is None:
                await self._resolver.look_up(request.target.host)
            await self._permit.wait()  # last of all: the process may have stood still until now
            async with asyncio.timeout(request.total_seconds):
                return await answer.read(self._session)
        except CAUGHT as error:
            return answer.failed(error)

    async def close(self) -> None:
        """Closes all connections, and the lookup: the session leaves a resolver that it was given open."""
        await self._session.close()
        await self._resolver.close()

    def _connector(self, config: FetchConfig) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            ssl=_tls(config),
            resolver=self._resolver,
            use_dns_cache=False,
            limit=0,
            keepalive_timeout=config.keepalive_seconds,
            socket_factory=self._socket,
        )

    def _socket(self, info: tuple[Any, Any, int, str, tuple[Any, ...]]) -> socket.socket:
        """Opens a socket for an address that is about to be dialled: the last place to refuse it."""
        family, kind, protocol, _, endpoint = info
        if not self._policy.admits(endpoint[0]):
            raise BlockedAddressError(str(endpoint[0]))
        return socket.socket(family, kind, protocol)


class _Answer:
    """One request's way to its end."""

    def __init__(self, request: Request, wants_body: WantsBody) -> None:
        self._request = request
        self._wants_body = wants_body
        self._status: int | None = None
        self._fields = Fields()

    async def read(self, session: aiohttp.ClientSession) -> Exchange:
        request = self._request
        response = await session.request(
            "GET",
            URL(request.target.url, encoded=True),
            headers={
                "User-Agent": request.user_agent,
                "Accept": request.accept,
                "Accept-Encoding": ACCEPT_ENCODING,
            },
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=request.connect_seconds, sock_read=request.first_byte_seconds
            ),
        )
        try:
            self._status = response.status
            self._fields = Fields(response.headers.items())
            if not self._wants_body(response.status, self._fields):
                return self._ended()
            return self._ended(await self._body(response))
        finally:
            # Closes the connection unless the answer was read to its end.
            response.release()

    def failed(self, error: BaseException) -> Exchange:
        reason, detail = translated(error, in_body=self._status is not None)
        return Exchange(reason=reason, detail=detail, status=self._status, fields=self._fields)

    def _ended(self, body: bytes = b"") -> Exchange:
        return Exchange(status=self._status, fields=self._fields, body=body)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        limit, cuts = self._request.max_body_bytes, self._request.cuts_body
        declared = response.content_length
        if declared is not None and declared > limit and not cuts:
            raise BodyError(Reason.REASON_TOO_LARGE, f"{declared} bytes declared")
        body = Body(self._fields.all("content-encoding"), limit, cuts=cuts)
        async for piece in response.content.iter_any():
            body.feed(piece)
            if body.is_full:
                break
        return body.finish()


def _tls(config: FetchConfig) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if config.ca_file is not None:
        try:
            context.load_verify_locations(config.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"ca_file: {config.ca_file} cannot be read: {error}") from error
    return context
