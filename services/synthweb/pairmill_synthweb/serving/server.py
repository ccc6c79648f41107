"""The server: connections in, answers out."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Final

import structlog

from pairmill_synthweb.serving.journal import Journal
from pairmill_synthweb.serving.reply import Manner, Request
from pairmill_synthweb.serving.site import Site
from pairmill_synthweb.serving.wire import MAX_HEAD_BYTES, Pace, read_request, send

log = structlog.get_logger(__name__)

LOOPBACK: Final = "127.0.0.1"
_BACKLOG: Final = 1024
_AT_ONCE: Final = frozenset({Manner.PLAIN, Manner.SHORT, Manner.RESET, Manner.RAW})


class SyntheticServer:
    """Answers for all hosts at one port. Used from one event loop."""

    def __init__(self, site: Site, journal: Journal, pace: Pace) -> None:
        self._site = site
        self._journal = journal
        self._pace = pace
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0, address: str = LOOPBACK) -> int:
        """Begins to listen; returns the port. Raises OSError where the port is taken."""
        self._server = await asyncio.start_server(
            self._serve, address, port, limit=MAX_HEAD_BYTES, backlog=_BACKLOG
        )
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    async def stop(self) -> None:
        """Stops listening and cuts off what is being answered."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while (request := await read_request(reader)) is not None:
                if not await self._answered(request, reader, writer) or request.is_last:
                    break
        except (ConnectionError, TimeoutError):
            pass  # the client had enough, which some answers are made for
        except asyncio.CancelledError:
            pass  # the server stops; nobody waits for this task's result
        except Exception:
            log.exception("connection_failed")
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answered(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answers a request until it is done or the client is gone; returns whether to go on."""
        with self._journal.request(request.host, time.monotonic(), request.agent) as record:
            reply = await asyncio.to_thread(self._site.answer, request, record)
            sending = send(reply, writer, self._pace, head_only=request.method == "HEAD")
            if reply.manner in _AT_ONCE:
                return await sending
            return await _unless_gone(asyncio.ensure_future(sending), reader)


async def _unless_gone(sending: asyncio.Future[bool], reader: asyncio.StreamReader) -> bool:
    """Waits until an answer is sent or the client has left; no client here sends ahead."""
    leaving = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        return sending.done() and sending.result() and not leaving.done()
    finally:
        for waiting in (sending, leaving):
            waiting.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)
