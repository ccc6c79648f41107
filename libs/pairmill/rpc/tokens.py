"""Who may call: bearer tokens, of which only the SHA-256 is kept, read anew when the file changes."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError
from pairmill.rpc.callers import Caller, Role

TOKEN_PREFIX: Final = "pmt_"  # noqa: S105 - what tokens begin with, for scanners that look for leaks
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_FIELDS: Final = frozenset({"name", "role", "tenant", "sha256", "expires_at"})
_LOOK_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEntry:
    """A token that is known."""

    caller: Caller
    digest: bytes  # SHA-256 of the token
    expires_at: datetime | None = None  # first moment at which it is refused; unset: never


def new_token() -> str:
    """Returns a fresh token of 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_digest(token: str) -> bytes:
    """Returns what is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def entry_lines(name: str, role: Role, tenant: str, token: str, expires_at: datetime | None) -> str:
    """Returns the lines that make a token known; raises ConfigurationError for a name that cannot be."""
    for field, value in (("name", name), ("tenant", tenant)):
        if not _NAME.fullmatch(value):
            raise ConfigurationError(
                f"{field}: {value!r} is no name; letters, digits, dots, dashes, up to 63 of them"
            )
    lines = [
        "[[tokens]]",
        f'name = "{name}"',
        f'role = "{role.name.lower()}"',
        f'tenant = "{tenant}"',
        f'sha256 = "{token_digest(token).hex()}"',
    ]
    if expires_at is not None:
        lines.append(f"expires_at = {expires_at.astimezone(UTC).isoformat(timespec='seconds')}")
    return "\n".join(lines) + "\n"


def parse_tokens(text: str) -> tuple[TokenEntry, ...]:
    """Returns the tokens of a file; raises ConfigurationError with everything that is wrong with it."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"tokens_file: is no TOML: {error}") from error
    problems: list[str] = [f"tokens_file: unknown key {key!r}" for key in table if key != "tokens"]
    listed = table.get("tokens", [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise ConfigurationError("tokens_file: tokens are written as [[tokens]] tables")
    entries = [_entry(f"tokens_file: tokens[{place}]", item, problems) for place, item in enumerate(listed)]
    names = [item.get("name") for item in listed]
    problems.extend(f"tokens_file: {name!r} stands there twice" for name in _repeated(names))
    if problems:
        raise ConfigurationError("\n".join(problems))
    return tuple(entry for entry in entries if entry is not None)


def _repeated(names: Sequence[Any]) -> list[str]:
    return sorted({str(name) for name in names if names.count(name) > 1})


def _entry(where: str, item: dict[str, Any], problems: list[str]) -> TokenEntry | None:
    before = len(problems)
    problems.extend(f"{where}: unknown key {key!r}" for key in item if key not in _FIELDS)
    name, tenant = item.get("name"), item.get("tenant", "default")
    for key, value in (("name", name), ("tenant", tenant)):
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            problems.append(f"{where}: {key} {value!r} is no name; letters, digits, dots, dashes")
    role, digest, expires_at = item.get("role"), item.get("sha256"), item.get("expires_at")
    if role not in {known.name.lower() for known in Role}:
        problems.append(f"{where}: role {role!r} is none of read, operate, admin")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        problems.append(f"{where}: sha256 is not 64 hex digits")
    if expires_at is not None and (not isinstance(expires_at, datetime) or expires_at.tzinfo is None):
        problems.append(f"{where}: expires_at is no time with a zone, such as 2027-01-31T00:00:00Z")
    if len(problems) > before:
        return None
    return TokenEntry(
        caller=Caller(name=str(name), role=Role[str(role).upper()], tenant=tenant),
        digest=bytes.fromhex(str(digest)),
        expires_at=expires_at,
    )


def find_caller(entries: Sequence[TokenEntry], digest: bytes, now: datetime) -> Caller | None:
    """Returns whose token has a digest, if it is known and has not expired.

    Every entry is compared, in constant time, so that the time taken says nothing.
    """
    found = None
    for entry in entries:
        if hmac.compare_digest(entry.digest, digest):
            found = entry
    if found is None or (found.expires_at is not None and now >= found.expires_at):
        return None
    return found.caller


class TokenBook:
    """The tokens of a file, looked at again once a second. Thread-safe.

    A file that has become unreadable leaves the tokens as they were, and the log says so once.
    Raises ConfigurationError if it cannot be read to begin with.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._version = self._stat()
        self._entries = self._read()
        self._looked_at = clock.monotonic()

    def caller_of(self, token: str) -> Caller | None:
        """Returns whose token it is, or None."""
        return self.caller_with(token_digest(token))

    def caller_with(self, digest: bytes) -> Caller | None:
        """Returns whose token has this SHA-256, or None."""
        self._look()
        return find_caller(self._entries, digest, self._clock.now())

    def _look(self) -> None:
        with self._lock:
            now = self._clock.monotonic()
            if now - self._looked_at < _LOOK_SECONDS:
                return
            self._looked_at = now
            version = self._stat()
            if version == self._version:
                return
            self._version = version
            try:
                self._entries = self._read()
            except ConfigurationError as error:
                log.error("tokens_not_reloaded", problem=str(error))
                return
            log.info("tokens_reloaded", tokens=len(self._entries))

    def _stat(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _read(self) -> tuple[TokenEntry, ...]:
        try:
            return parse_tokens(self._path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"tokens_file: {self._path} cannot be read: {error}") from error
