"""The web server's certificates, read anew when their files change."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

from pairmill.errors import ConfigurationError
from pairmill.rpc.config import RpcTls

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 5.0


class FollowedTls:
    """A context that follows its files; connections that are open keep what they began with."""

    def __init__(self, tls: RpcTls, context: ssl.SSLContext) -> None:
        """Reads them; raises ConfigurationError where they cannot be read."""
        self._tls = tls
        self.context = context
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.client_ca_file is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            self._read_authorities(tls.client_ca_file)
        self._versions = self._versions_now()
        self.read()

    def read(self) -> None:
        """Reads the server's certificate and key."""
        certificate, key = self._tls.certificate_file, self._tls.key_file
        assert certificate is not None  # the configuration has both or none
        try:
            self.context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"http.tls.certificate_file: {certificate} with {key} cannot be used: {error}"
            ) from error

    async def follow(self) -> None:
        """Reads them anew whenever they have changed; what cannot be read leaves things as they were."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Reads them anew if they have changed."""
        found = self._versions_now()
        if found == self._versions:
            return
        self._versions = found
        try:
            self.read()
        except ConfigurationError as error:
            log.error("certificates_not_reloaded", problem=str(error))
        else:
            log.info("certificates_reloaded")

    def _read_authorities(self, path: Path) -> None:
        try:
            self.context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"http.tls.client_ca_file: {path} cannot be used: {error}") from error

    def _versions_now(self) -> list[tuple[int, int]]:
        return [_version(path) for path in (self._tls.certificate_file, self._tls.key_file) if path]


def _version(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
