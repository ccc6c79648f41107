"""Programs that fetch and build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local.errors import FetchError, MissingToolError

_SHOWN_LINES: Final = 20


def require(program: str, *, used_for: str, remedy: str) -> Path:
    """Returns where a program is; raises MissingToolError if this machine has none."""
    found = shutil.which(program)
    if found is None:
        raise MissingToolError(f"{program} is needed for {used_for}", remedy)
    return Path(found)


def run(
    arguments: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Runs a program to its end and returns what it printed; raises FetchError with the last of it."""
    command = [str(argument) for argument in arguments]
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**own_environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise FetchError(f"{' '.join(command)} ended with code {done.returncode}:\n{last}")
    return done.stdout


def python_module(module: str, *arguments: object) -> list[str]:
    """Returns the command that runs a module with this Python."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def own_environment() -> dict[str, str]:
    """Returns this process's environment without settings of Pairmill: a stack is told its own, by name."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PAIRMILL_")}
