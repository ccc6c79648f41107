"""Whether this machine is connected to anything."""

from __future__ import annotations

import socket
from typing import Final

_ANYWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Addresses that RFC 5737 and RFC 3849 reserve for documentation: nobody is there."""

_DISCARD: Final = 9


def has_route() -> bool:
    """Returns whether the routing table leads anywhere beyond this machine; sends nothing."""
    return any(_leads_to(family, address) for family, address in _ANYWHERE)


def _leads_to(family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((address, _DISCARD))  # of a datagram socket: a look at the routing table
    except OSError:
        return False
    return True
