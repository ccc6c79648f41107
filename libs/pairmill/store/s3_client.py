"""The S3 client: one pool of connections, time-outs per step, no retries of its own."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.helpers import check_bucket_name
from urllib3.response import BaseHTTPResponse

from pairmill import __version__
from pairmill.errors import ConfigurationError
from pairmill.store.s3_credentials import CredentialsFile
from pairmill.store.settings import S3Config

T = TypeVar("T")

_BLOCK: Final = 256 << 10


class ConnectionPool(urllib3.PoolManager):
    """Connections to the endpoint, at most so many; more callers wait for their turn."""

    def __init__(self, config: S3Config) -> None:
        super().__init__(
            maxsize=config.connections,
            block=True,
            blocksize=_BLOCK,
            timeout=urllib3.Timeout(connect=config.connect_timeout_seconds, read=config.read_timeout_seconds),
            retries=urllib3.Retry(total=0, raise_on_status=False, raise_on_redirect=False),
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(config.ca_file) if config.ca_file is not None else None,
        )

    def urlopen(  # type: ignore[override] # the base class differs from its own base in the same way
        self, method: str, url: str, redirect: bool = True, **arguments: Any
    ) -> BaseHTTPResponse:
        """Sends a request; a redirect is an answer, since the signature holds for one host.

        A body goes out block by block: the socket's time-out is one for each `sendall`, and a whole part
        in one of them would have to be through within the time-out for connecting.
        """
        body = arguments.get("body")
        if isinstance(body, bytes) and len(body) > _BLOCK:
            arguments["body"] = io.BytesIO(body)
        return super().urlopen(method, url, redirect=False, **arguments)


def open_client(bucket: str, config: S3Config) -> tuple[Minio, ConnectionPool]:
    """Returns a client, not yet connected, and its connections; raises ConfigurationError."""
    host, secure = _address(config.endpoint)
    _check_bucket(bucket)
    if config.ca_file is not None:
        _check_readable("PAIRMILL_S3__CA_FILE", config.ca_file)
    pool = _made("PAIRMILL_S3__CA_FILE", lambda: ConnectionPool(config))
    credentials = CredentialsFile(config.credentials_file) if config.credentials_file is not None else None
    client = _made(
        "PAIRMILL_S3__ENDPOINT",
        lambda: Minio(
            endpoint=host, secure=secure, region=config.region, http_client=pool, credentials=credentials
        ),
    )
    client.set_app_info("pairmill", __version__)
    return client, pool


def _address(endpoint: str) -> tuple[str, bool]:
    """Returns host and port, and whether it is https."""
    if not endpoint:
        raise ConfigurationError(
            "PAIRMILL_S3__ENDPOINT: is not set; an s3:// address needs it, such as https://s3.example.org"
        )
    try:
        parts = urlsplit(endpoint)
        is_plain = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain
        is_good = is_good and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good:
        shown = endpoint.rpartition("@")[2]  # what stands before may be a password
        raise ConfigurationError(
            f"PAIRMILL_S3__ENDPOINT: {shown!r} is no endpoint; use https://host or http://host:port"
        )
    return parts.netloc, parts.scheme == "https"


def _check_bucket(bucket: str) -> None:
    try:
        check_bucket_name(bucket_name=bucket, strict=True)
    except ValueError as error:
        raise ConfigurationError(
            f"store_url: {error}; use s3://bucket/prefix with a bucket of 3 to 63 small letters, digits, '-'"
        ) from error


def _check_readable(setting: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{setting}: {path}: {error.strerror}") from error


def _made(setting: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as error:
        raise ConfigurationError(f"{setting}: {error}") from error
