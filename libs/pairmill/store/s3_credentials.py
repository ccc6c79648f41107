"""Credentials from a file that may be replaced at any time."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Final

import structlog
from minio.credentials.credentials import Credentials
from minio.credentials.providers import Provider

from pairmill.errors import ConfigurationError

log = structlog.get_logger(__name__)

SETTING: Final = "PAIRMILL_S3__CREDENTIALS_FILE"
_KEYS: Final = "access_key, secret_key and perhaps session_token"

_Stamp = tuple[int, int, int]


class CredentialsFile(Provider):
    """The credentials that a JSON file holds now. Thread-safe.

    Each call looks whether the file is another one: what mounts secrets swaps them without a signal. A
    file that cannot be read while it is replaced leaves the old credentials in use.
    """

    def __init__(self, path: Path) -> None:
        """Reads the file; raises ConfigurationError if it holds no credentials."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._current = self._read()

    def retrieve(self) -> Credentials:
        """Returns the credentials for the next request."""
        with self._lock:
            self._follow()
            return self._current

    def _follow(self) -> None:
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return
            self._current = self._read()
        except ConfigurationError as error:
            log.warning("credentials_not_read", error=str(error))
            return
        self._stamp = stamp
        log.info("credentials_read_again", file=str(self._path))

    def _look(self) -> _Stamp:
        try:
            found = self._path.stat()
        except OSError as error:
            raise ConfigurationError(
                f"{SETTING}: {self._path}: cannot be read ({error.strerror}); name a JSON file with {_KEYS}"
            ) from error
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _read(self) -> Credentials:
        try:
            values = json.loads(self._path.read_text())
            token = values.get("session_token") or None
            return Credentials(
                access_key=_text(values["access_key"]),
                secret_key=_text(values["secret_key"]),
                session_token=_text(token) if token is not None else None,
            )
        except OSError as error:
            raise ConfigurationError(f"{SETTING}: {self._path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # without the cause: a parser's message may quote the secret
            raise ConfigurationError(
                f"{SETTING}: {self._path}: is no JSON object with {_KEYS} ({type(error).__name__})"
            ) from None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("not a text")
    return value
