"""A client that sees what is on the wire, without any library's opinion of it."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """What came back before the connection ended or the time was over."""

    data: bytes
    first_byte_seconds: float  # infinite without one
    ended: bool  # whether the server closed the connection
    was_reset: bool

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


def ask(
    port: int, host: str, target: str, *, seconds: float = 5.0, most_bytes: int = 2**23, method: str = "GET"
) -> RawAnswer:
    """Sends one request and reads until the end, the time or the most bytes."""
    lines = (f"{method} {target} HTTP/1.1", f"Host: {host}", "User-Agent: raw", "Connection: close", "", "")
    started = time.monotonic()
    first, data, ended, was_reset = float("inf"), bytearray(), False, False
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall("\r\n".join(lines).encode())
        while len(data) < most_bytes and (left := started + seconds - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                piece = connection.recv(2**16)
            except TimeoutError:
                break
            except ConnectionResetError:
                was_reset = ended = True
                break
            if not piece:
                ended = True
                break
            first = min(first, time.monotonic() - started)
            data += piece
    return RawAnswer(data=bytes(data), first_byte_seconds=first, ended=ended, was_reset=was_reset)
