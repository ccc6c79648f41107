"""Credentials of the server, read anew when their files change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import structlog

from pairmill.errors import ConfigurationError
from pairmill.rpc.config import RpcTls

log = structlog.get_logger(__name__)


def server_credentials(tls: RpcTls) -> grpc.ServerCredentials:
    """Returns credentials that follow their files; raises ConfigurationError where they cannot be read.

    Where a client authority is named, only clients with a certificate of it get through.
    """
    return grpc.dynamic_ssl_server_credentials(
        _configuration(tls), _follow(tls), require_client_authentication=tls.client_ca_file is not None
    )


def _follow(tls: RpcTls) -> Callable[[], grpc.ServerCertificateConfiguration]:
    """Returns a callback for each new connection: the configuration of now, or as it was."""
    lock, latest, versions = threading.Lock(), _configuration(tls), _versions(tls)

    def fetch() -> grpc.ServerCertificateConfiguration:
        nonlocal latest, versions
        with lock:
            found = _versions(tls)
            if found != versions:
                versions = found
                try:
                    latest = _configuration(tls)
                    log.info("certificates_reloaded")
                except ConfigurationError as error:
                    log.error("certificates_not_reloaded", problem=str(error))
            return latest

    return fetch


def _configuration(tls: RpcTls) -> grpc.ServerCertificateConfiguration:
    certificate, key = _read("certificate_file", tls.certificate_file), _read("key_file", tls.key_file)
    authority = None if tls.client_ca_file is None else _read("client_ca_file", tls.client_ca_file)
    return grpc.ssl_server_certificate_configuration([(key, certificate)], authority)


def _read(field: str, path: Path | None) -> bytes:
    try:
        data = path.read_bytes() if path is not None else b""
    except OSError as error:
        raise ConfigurationError(f"rpc.tls.{field}: {path} cannot be read: {error.strerror}") from error
    if b"-----BEGIN " not in data:
        raise ConfigurationError(f"rpc.tls.{field}: {path} is no PEM file")
    return data


def _versions(tls: RpcTls) -> tuple[tuple[int, int], ...]:
    return tuple(_version(path) for path in _files(tls))


def _files(tls: RpcTls) -> Iterator[Path]:
    for path in (tls.certificate_file, tls.key_file, tls.client_ca_file):
        if path is not None:
            yield path


def _version(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
