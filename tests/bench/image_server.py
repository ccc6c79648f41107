"""Serves pictures over HTTP/1.1 from a process of its own, at as little cost as Python allows."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Final

_PICTURE: Final = re.compile(rb"GET /(\d+)/\S* HTTP/1\.1\r\n")
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_END: Final = b"\r\n\r\n"


class _Exchange(asyncio.Protocol):
    """One connection: `/<n>/…` is picture n, all else is not there."""

    def __init__(self, answers: Sequence[bytes], delay_seconds: float) -> None:
        self._answers = answers
        self._delay_seconds = delay_seconds
        self._held = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        *requests, self._held = (self._held + data).split(_END)
        for request in requests:
            asked = _PICTURE.match(request + _END)
            answer = _NOT_FOUND if asked is None else self._answers[int(asked[1])]
            if self._delay_seconds:
                asyncio.get_running_loop().call_later(self._delay_seconds, self._transport.write, answer)
            else:
                self._transport.write(answer)


@contextmanager
def serving(pictures: Sequence[bytes], *, delay_seconds: float = 0.0) -> Iterator[int]:
    """Gives the port on loopback where the pictures are served until the context is left.

    Every answer, that a file is not there included, comes so long after its request.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(pictures, delay_seconds, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        port: int = ours.recv()
        yield port
    finally:
        ours.close()
        process.terminate()
        process.join()


def _serve(pictures: Sequence[bytes], delay_seconds: float, port: Connection) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    answers = [head % len(picture) + picture for picture in pictures]

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Exchange(answers, delay_seconds), "127.0.0.1", 0, backlog=1024
        )
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
