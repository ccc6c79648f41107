"""How a gRPC API listens, and what it allows."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcTls:
    """Certificates of the API, read anew when they change. All unset: no TLS."""

    certificate_file: Path | None = None  # PEM with the server's certificate chain
    key_file: Path | None = None  # PEM with its key
    client_ca_file: Path | None = None  # PEM with the authorities of clients; set: mutual TLS

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together; set both or none")
        if self.client_ca_file is not None and self.certificate_file is None:
            raise ValueError("client_ca_file needs certificate_file and key_file too")


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcConfig:
    """Settings of the gRPC API."""

    listen: str = ""  # host:port, port 0 takes any free one; empty: no API
    tls: RpcTls = field(default_factory=RpcTls)  # certificates
    tokens_file: Path | None = None  # TOML with the callers and the SHA-256 of their tokens
    allow_insecure: bool = False  # whether to do without TLS; on a loopback address only
    max_deadline_seconds: float = 60.0  # longest deadline of a call
    max_watch_seconds: float = 3600.0  # longest deadline of a stream
    max_message_bytes: int = 16 * 2**20  # largest request; a job of 100,000 WATs fits
    threads: int = 64  # calls at work at once, streams apart
    max_calls_per_caller: int = 32  # calls of one token at work at once
    max_streams: int = 100  # streams open at once; each has a thread
    max_streams_per_caller: int = 20  # streams of one token open at once
    max_calls_per_connection: int = 100  # calls open at once on one connection
    max_connection_age_seconds: float = 1800.0  # then clients connect anew, perhaps to another replica
    linger_seconds: float = 1.0  # how long calls are still taken after health says NOT_SERVING
    drain_seconds: float = 10.0  # how long calls at work may take then

    def __post_init__(self) -> None:
        if self.listen:
            split_address(self.listen)
        for name in ("max_deadline_seconds", "max_watch_seconds", "max_connection_age_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} has to be above 0")
        for name in (
            "max_message_bytes",
            "threads",
            "max_calls_per_caller",
            "max_streams",
            "max_streams_per_caller",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be at least 1")


def split_address(address: str) -> tuple[str, int]:
    """Returns host and port of `host:port` or `[address]:port`; raises ValueError if it is neither."""
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"listen: {address!r} is no host:port, such as 127.0.0.1:7600")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Returns whether a host is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
