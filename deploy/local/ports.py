"""Free ports for servers that keep theirs over a restart."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Final

_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST: Final = 20_000
_USUAL_TOP: Final = 32_768
_TRIES: Final = 1_000


def free_port() -> int:
    """Returns a port of the loopback that nobody listens on.

    It lies below those that the kernel gives to outgoing connections: while a server is down, one of its
    clients could otherwise get the very port that it dials, connect to itself, and keep the server out.
    """
    top = max(_LOWEST + 1, _outgoing_from())
    for _ in range(_TRIES):
        port = random.randrange(_LOWEST, top)
        if is_free(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {top}")


def is_free(port: int) -> bool:
    """Returns whether a server could listen on a port of the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _outgoing_from() -> int:
    try:
        return int(_RANGE.read_text().split()[0])
    except OSError:
        return _USUAL_TOP
