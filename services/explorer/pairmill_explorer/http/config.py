"""How the explorer's web server listens, and what it allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pairmill.rpc.config import RpcTls, split_address


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Settings of the web server."""

    listen: str = ""  # host:port, port 0 takes any free one; empty: no web server
    tls: RpcTls = field(default_factory=RpcTls)  # certificates
    tokens_file: Path | None = None  # TOML with the callers and the SHA-256 of their tokens
    behind_proxy: bool = False  # a proxy in front speaks TLS: then without here, and cookies for https only
    session_key_file: Path | None = None  # 32 bytes or more that sign sessions, the same in all replicas
    session_seconds: float = 43_200.0  # from a login to the next one
    allow_origins: tuple[str, ...] = ()  # other sites whose pages may search, such as https://front.example
    timeout_seconds: float = 30.0  # for a request and its answer's making
    max_body_bytes: int = 24 * 2**20  # largest request; images travel as base64
    max_bodies_bytes: int = 256 * 2**20  # all requests that are being read or worked on
    max_requests: int = 256  # requests at work at once
    max_requests_per_caller: int = 32  # requests of one token at work at once
    max_connections: int = 2000  # connections open at once
    max_connections_per_address: int = 200  # of them from one address; behind a proxy all come from it
    first_request_seconds: float = 10.0  # after so long a connection without a request is cut
    idle_seconds: float = 75.0  # after so long a connection between two requests is closed
    reading_seconds: float = 60.0  # a reader slower than that for one answer is cut off
    linger_seconds: float = 1.0  # how long requests are still taken once it is not ready any more
    drain_seconds: float = 10.0  # how long requests at work may take then

    def __post_init__(self) -> None:
        if self.listen:
            split_address(self.listen)
        for name in (
            "session_seconds",
            "timeout_seconds",
            "first_request_seconds",
            "idle_seconds",
            "reading_seconds",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} has to be above 0")
        for name in (
            "max_body_bytes",
            "max_bodies_bytes",
            "max_requests",
            "max_requests_per_caller",
            "max_connections",
            "max_connections_per_address",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be at least 1")
