"""The `pairmill` command as a user calls it: a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SECONDS: Final = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a call ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Returns what the call printed with `--json`."""
        return json.loads(self.out)


def start(
    *arguments: object, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    """Starts the command; `prefix` is a program to run it under."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", "pairmill_standalone", *map(str, arguments)],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pairmill(
    *arguments: object,
    env: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    seconds: float = SECONDS,
) -> Ended:
    """Runs the command to its end."""
    with start(*arguments, env=env, prefix=prefix) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"no end within {seconds:g} s:\n{out}\n{err}") from None
    return Ended(code=process.returncode, out=out, err=err)


def succeed(*arguments: object, env: Mapping[str, str] | None = None, seconds: float = SECONDS) -> Ended:
    """Runs the command and asserts that it ended well."""
    ended = pairmill(*arguments, env=env, seconds=seconds)
    assert ended.code == 0, f"exit code {ended.code}\n{ended.out}\n{ended.err}"
    return ended
