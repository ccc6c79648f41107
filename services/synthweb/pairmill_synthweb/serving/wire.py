"""HTTP/1.1 by hand, so that an answer may also be wrong in every way."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import Final

from pairmill_synthweb.rules import Rules
from pairmill_synthweb.serving.reply import Manner, Reply, Request
from pairmill_synthweb.serving.site import reason_phrase

MAX_HEAD_BYTES: Final = 64 * 1024

_SLOW_START: Final = 0.4  # of the time to the first byte
_SLOW_PIECES: Final = 4
_SHORT_PERCENT: Final = 60
_DRIP_SECONDS: Final = 0.2
_BODILESS: Final = frozenset({204, 304})
_NO_LINGER: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How slow the slow answers are, seconds."""

    first_byte: float  # before a slow answer begins
    between: float  # between its pieces
    drip: float = _DRIP_SECONDS  # between single bytes
    patience: float = 60.0  # after which even an endless answer is cut off

    @classmethod
    def of(cls, rules: Rules) -> Pace:
        """Returns a pace at which slow answers arrive well within a job's limits."""
        first = rules.first_byte_timeout_seconds * _SLOW_START
        left = max(0.0, rules.deadline_seconds - rules.first_byte_timeout_seconds)
        return cls(first_byte=first, between=left * _SLOW_START / _SLOW_PIECES)


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Returns the next request of a connection, None at its end or where it is no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3:
        return None
    fields = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    return Request(method=parts[0], target=parts[1], headers=headers)


async def send(reply: Reply, writer: asyncio.StreamWriter, pace: Pace, *, head_only: bool) -> bool:
    """Sends an answer; returns whether the connection may be used again."""
    match reply.manner:
        case Manner.PLAIN:
            writer.write(_head(reply) + (b"" if head_only else _body(reply)))
        case Manner.SLOW:
            await _send_slowly(reply, writer, pace)
        case Manner.SHORT:
            writer.write(_head(reply) + reply.body[: len(reply.body) * _SHORT_PERCENT // 100])
        case Manner.ENDLESS:
            await _send_without_end(reply, writer, pace)
        case Manner.SILENT:
            await asyncio.sleep(pace.patience)
        case Manner.DRIP:
            await _drip(reply, writer, pace)
        case Manner.RESET:
            _reset(writer)
        case Manner.RAW:
            writer.write(reply.body)
    await writer.drain()
    return reply.manner in (Manner.PLAIN, Manner.SLOW)


def _head(reply: Reply, *, chunked: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {reason_phrase(reply.status)}", "Server: pairmill-synthweb"]
    lines.extend(f"{name}: {value}" for name, value in reply.headers)
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    elif reply.status not in _BODILESS:
        lines.append(f"Content-Length: {len(reply.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _body(reply: Reply) -> bytes:
    return b"" if reply.status in _BODILESS else reply.body


async def _send_slowly(reply: Reply, writer: asyncio.StreamWriter, pace: Pace) -> None:
    await asyncio.sleep(pace.first_byte)
    writer.write(_head(reply))
    size = -(-len(reply.body) // _SLOW_PIECES)
    for start in range(0, len(reply.body), size):
        await writer.drain()
        writer.write(reply.body[start : start + size])
        await asyncio.sleep(pace.between)


async def _send_without_end(reply: Reply, writer: asyncio.StreamWriter, pace: Pace) -> None:
    piece = b"%x\r\n%s\r\n" % (len(reply.body), reply.body)
    writer.write(_head(reply, chunked=True))
    async with asyncio.timeout(pace.patience):
        while not writer.transport.is_closing():
            writer.write(piece)
            await writer.drain()


async def _drip(reply: Reply, writer: asyncio.StreamWriter, pace: Pace) -> None:
    writer.write(_head(reply))
    async with asyncio.timeout(pace.patience):
        for place in range(len(reply.body)):
            writer.write(reply.body[place : place + 1])
            await writer.drain()
            await asyncio.sleep(pace.drip)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes at once with a reset instead of an orderly end."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
