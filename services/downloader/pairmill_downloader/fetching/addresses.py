"""Which addresses may be dialled: public ones, and those of networks that the operator allows (C1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from pairmill_downloader.fetching.config import IpNetwork, Network

IpAddress: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

_NOT_PUBLIC_V4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "168.63.129.16/32",  # a cloud's metadata under a public address
    )
)

_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
"""All else is loopback, mapped, translated (64:ff9b::/96), local, multicast or unassigned."""

_NOT_PUBLIC_V6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries any IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)

_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""Interface identifiers that carry any IPv4 address."""


class AddressPolicy:
    """Says of an address whether it may be dialled."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed: tuple[IpNetwork, ...] = tuple(network.parsed for network in allowed)

    def admits(self, address: str) -> bool:
        """Whether an address, in the form that sockets use, may be dialled; False for what is none."""
        parsed = _parse(address)
        if parsed is None:
            return False
        return is_public(parsed) or any(parsed in network for network in self._allowed)


def is_public(address: IpAddress) -> bool:
    """Whether anyone on the internet could be behind an address, and nobody else."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.scope_id is not None or address not in _PUBLIC_V6:
        return False
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        return False
    return not any(address in network for network in _NOT_PUBLIC_V6)


def literal_address(host: str) -> str | None:
    """Returns the address that a URL's host is, without brackets; None for a name.

    `host` is a host as the URL standard serialises it, which leaves one spelling of an IPv4 address.
    """
    if host.startswith("["):
        return host[1:-1]
    if host[-1:].isdigit() and _parse(host) is not None:
        return host
    return None


@lru_cache(maxsize=1 << 14)
def _parse(address: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
