"""How a Triton Inference Server is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonConfig:
    """Settings of the connection to Triton.

    Certificates are read at each connection, the token at each call.
    """

    tls: bool = False  # whether to speak TLS
    ca_file: Path | None = None  # PEM with the authorities to trust; unset trusts the system's
    certificate_file: Path | None = None  # PEM with the client's certificate, for mutual TLS
    key_file: Path | None = None  # PEM with its key
    token_file: Path | None = None  # file with a bearer token, for a proxy in front of Triton
    image_batch: int = 32  # pictures of one request
    text_batch: int = 128  # texts of one request
    text_batch_tokens: int = 4096  # most tokens of one request, padding included
    requests_in_flight: int = 4  # requests under way at once, of this process
    request_timeout_seconds: float = 30.0  # most time for one answer, waiting in Triton's queue included
    patience_seconds: float = 60.0  # for how long a request is tried again before the stage pauses
    max_message_bytes: int = 256 * 2**20  # largest request or answer

    def __post_init__(self) -> None:
        """Refuses numbers that make no sense."""
        for name in ("image_batch", "text_batch", "text_batch_tokens", "requests_in_flight"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, at least 1 is wanted")
        for name in ("request_timeout_seconds", "patience_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name):g}, more than 0 is wanted")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together; set both or neither")
