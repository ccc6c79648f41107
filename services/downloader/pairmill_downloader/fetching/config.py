"""Settings of fetching that belong to the process, not to the job."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

IpNetwork: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


class NoAddress(StrEnum):
    """What a name may be made to resolve to in place of an address."""

    NXDOMAIN = "nxdomain"  # the name does not exist
    SERVFAIL = "servfail"  # the name cannot be resolved for the time being


@dataclass(frozen=True, slots=True)
class Network:
    """A network that may be dialled although it is not public, such as `127.0.0.0/8`."""

    text: str
    parsed: IpNetwork = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        try:
            parsed = ipaddress.ip_network(self.text)
        except ValueError as error:
            raise ValueError(f"{self.text!r} is no network; write one as 127.0.0.0/8 or fd00::/8") from error
        object.__setattr__(self, "parsed", parsed)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Route:
    """Where hosts equal to or below a name are dialled: `SUFFIX=ADDRESS:PORT`.

    In place of address and port, `nxdomain` and `servfail` let the resolution of those names fail.
    """

    text: str
    suffix: str = field(init=False, compare=False, repr=False)
    address: str = field(init=False, compare=False, repr=False)  # empty where `failure` is set
    port: int = field(init=False, compare=False, repr=False)
    failure: NoAddress | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        suffix, separator, target = self.text.partition("=")
        if not separator or not suffix.strip("."):
            raise ValueError(f"{self.text!r} is no route; write SUFFIX=ADDRESS:PORT")
        failure = NoAddress(target) if target in set(NoAddress) else None
        address, port = ("", 0) if failure else _endpoint(self.text, target)
        object.__setattr__(self, "suffix", suffix.strip(".").lower())
        object.__setattr__(self, "address", address)
        object.__setattr__(self, "port", port)
        object.__setattr__(self, "failure", failure)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchConfig:
    """How this process reaches hosts."""

    allowed_networks: tuple[Network, ...] = ()  # may be dialled although they are not public
    connect_to: tuple[Route, ...] = ()  # SUFFIX=ADDRESS:PORT, where hosts below a name are dialled
    canary_urls: tuple[str, ...] = ()  # answer as long as the network is there
    ca_file: Path | None = None  # certificates trusted beside the system's, PEM
    dns_threads: int = 32  # names looked up at once
    dns_timeout_seconds: float = 4.0  # time for an answer of the resolver
    dns_ttl_seconds: float = 300.0  # time an answer of the resolver is used
    dns_cache_entries: int = 50_000  # names kept
    keepalive_seconds: float = 5.0  # time an idle connection is kept
    robots_ttl_seconds: float = 3600.0  # time a robots.txt or tdmrep.json is used
    robots_cache_bytes: int = 64 * 2**20  # memory for what they say
    crawl_delay_cap_seconds: float = 30.0  # longest Crawl-delay that is taken over
    hop_wait_seconds: float = 60.0  # longest wait of a fetch for a further request of its own

    def is_routed(self, host: str) -> bool:
        """Returns whether `connect_to` says where a host is dialled."""
        return any(f".{host.rstrip('.')}".endswith(f".{route.suffix}") for route in self.connect_to)


def _endpoint(text: str, target: str) -> tuple[str, int]:
    address, _, port = target.rpartition(":")
    try:
        parsed = ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
        number = int(port)
    except ValueError as error:
        raise ValueError(f"{text!r} names no address and port; write SUFFIX=ADDRESS:PORT") from error
    if not 0 < number < 65536:
        raise ValueError(f"{text!r} names no port; ports go from 1 to 65535")
    return str(parsed), number
