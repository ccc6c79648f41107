"""How a stage reaches the gateway's API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAccess:
    """How a stage calls the gateway. Files are read anew whenever the connection is made anew."""

    token_file: Path | None = None  # file with the token to call with
    tls: bool = False  # whether to speak TLS; so it is too where a file of certificates is named
    ca_file: Path | None = None  # PEM with the authorities to trust; unset trusts the system's
    certificate_file: Path | None = None  # PEM with the client's certificate, for mutual TLS
    key_file: Path | None = None  # PEM with its key
    deadline_seconds: float = 1.0  # most time for an answer; without one all units are wanted

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.tls or self.ca_file is not None or self.certificate_file is not None
