"""Secrets of one stack: drawn when it is put up, gone when it is taken down."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pairmill.rpc.callers import Role
from pairmill.rpc.tokens import entry_lines, new_token

_TENANT: Final = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFiles:
    """Files of the gateway's API."""

    known: Path  # who may call, by digest
    user: Path  # the token of whoever put the stack up
    stages: Path  # that of the stages


def write_secret(path: Path, text: str) -> Path:
    """Writes a file that its owner alone may read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path


def draw_tokens(folder: Path) -> TokenFiles:
    """Draws the tokens of a stack."""
    tokens = {"user": (Role.ADMIN, new_token()), "stages": (Role.READ, new_token())}
    known = [entry_lines(name, role, _TENANT, token, None) for name, (role, token) in tokens.items()]
    return TokenFiles(
        known=write_secret(folder / "tokens.toml", "\n".join(known)),
        user=write_secret(folder / "user.token", tokens["user"][1]),
        stages=write_secret(folder / "stages.token", tokens["stages"][1]),
    )
