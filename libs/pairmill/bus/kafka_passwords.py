"""Has the client read a password's file at each connection: by itself it keeps what it was made with.

A member that loses its connections after the password was replaced would try the old one for ever,
over TLS without a word.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from kafka.net.sasl import register_sasl_mechanism  # type: ignore[import-untyped]  # the client has no types
from kafka.net.sasl.plain import SaslMechanismPlain  # type: ignore[import-untyped]  # as above
from kafka.net.sasl.scram import SaslMechanismScram  # type: ignore[import-untyped]  # as above

_SETTING: Final = "sasl_plain_password"  # as the client calls it


class PasswordInFile(str):
    """A password as its file had it, and where that is."""

    file: Path

    def __new__(cls, file: Path) -> PasswordInFile:
        """Reads the file, without the line's end; raises OSError."""
        password = super().__new__(cls, file.read_text().rstrip("\r\n"))
        password.file = file
        return password


def _renewed(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a connection's settings with the password of now; the last one while the file is away."""
    password = config.get(_SETTING)
    if not isinstance(password, PasswordInFile):
        return config
    try:
        return {**config, _SETTING: PasswordInFile(password.file)}
    except OSError:
        return config


class _Plain(SaslMechanismPlain):  # type: ignore[misc]  # the base class is untyped
    """PLAIN, as one connection speaks it."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**_renewed(config))


class _Scram(SaslMechanismScram):  # type: ignore[misc]  # as above
    """SCRAM, as one connection speaks it."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**_renewed(config))


_MECHANISMS: Final = {"PLAIN": _Plain, "SCRAM-SHA-256": _Scram, "SCRAM-SHA-512": _Scram}


def read_passwords_at_each_connection() -> None:
    """Takes the place of the client's mechanisms, in this process; other passwords stay as they are."""
    for name, mechanism in _MECHANISMS.items():
        register_sasl_mechanism(name, mechanism, overwrite=True)
