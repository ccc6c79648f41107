"""Bodies of requests: read up to a size, all of them together up to another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import grpc
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from pairmill.rpc.refusals import RefusedError
from pairmill_explorer.errors import TooLargeError

_RETRY_SECONDS: Final = 1.0


class Bodies:
    """What is held of all bodies at once. For one event loop."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of bodies that are being read or worked on."""
        return self._held

    @asynccontextmanager
    async def read(self, request: web.BaseRequest, most_bytes: int) -> AsyncIterator[bytes]:
        """Gives a body; raises TooLargeError, and RESOURCE_EXHAUSTED where there are too many."""
        if (request.content_length or 0) > most_bytes:
            raise _too_large(most_bytes)
        data = bytearray()
        try:
            async for chunk in _chunks(request):
                self._hold(len(chunk))
                data += chunk
                if len(data) > most_bytes:
                    raise _too_large(most_bytes)
            yield bytes(data)
        finally:
            self._held -= len(data)

    def _hold(self, size: int) -> None:
        if self._held + size > self._most_bytes:
            raise RefusedError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "too much is being sent at once; send it again",
                retry_seconds=_RETRY_SECONDS,
            )
        self._held += size


async def _chunks(request: web.BaseRequest) -> AsyncIterator[bytes]:
    """Yields a body as it comes; raises CANCELLED where its sender goes, INVALID_ARGUMENT for no HTTP."""
    try:
        async for chunk in request.content.iter_any():
            yield chunk
    except ConnectionError as error:
        raise RefusedError(grpc.StatusCode.CANCELLED, "the request was not finished") from error
    except (HttpProcessingError, web.RequestPayloadError) as error:
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, "the request's body is no HTTP") from error


def _too_large(most_bytes: int) -> TooLargeError:
    return TooLargeError("request", f"has more than {most_bytes:,} bytes")
