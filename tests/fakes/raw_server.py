"""A server on loopback that writes whatever bytes a test wants, and counts who came."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def sends(*pieces: bytes, pause: float = 0.0) -> Behaviour:
    """Writes pieces with pauses between them, then closes."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        for number, piece in enumerate(pieces):
            if number and pause:
                await asyncio.sleep(pause)
            writer.write(piece)
            await writer.drain()

    return behave


def repeats(head: bytes, piece: bytes, *, pause: float = 0.0) -> Behaviour:
    """Writes a piece again and again until the client goes."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return behave


async def silent(writer: asyncio.StreamWriter) -> None:
    """Answers nothing until the client goes."""
    while not writer.is_closing():
        await asyncio.sleep(0.01)


def resets(after: bytes = b"") -> Behaviour:
    """Writes something, then resets the connection."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        if after:
            writer.write(after)
            await writer.drain()
            await asyncio.sleep(0.05)
        linger_not_at_all = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not_at_all)
        writer.transport.abort()

    return behave


def response(body: bytes = b"", *, status: str = "200 OK", **fields: str) -> bytes:
    """Returns an answer with its length declared; underscores in names stand for hyphens."""
    lines = [f"HTTP/1.1 {status}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if "Content_Length" not in fields:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class RawServer:
    """Behaves by path; 404 for what it does not know. Each connection serves one request."""

    def __init__(
        self,
        paths: Mapping[str, Behaviour],
        *,
        tls: ssl.SSLContext | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self._paths = paths
        self._tls = tls
        self._address = address
        self.connections = 0
        self.requests: list[bytes] = []  # heads, in order

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._connected, self._address, 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            path = head.split(b" ", 2)[1].decode()
            await self._paths.get(path, sends(NOT_FOUND))(writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
