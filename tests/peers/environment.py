"""The environment of clip-retrieval's client: its package, and of its dependencies what the client needs.

The package's own `__init__` imports its back end with torch and all; the client is one file beside it that
needs `requests` alone. `client_process.py` loads that file as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from deploy.local.cache import Cache
from deploy.local.commands import run
from deploy.local.errors import FetchError, MissingToolError

CLIP_RETRIEVAL: Final = "clip-retrieval==2.45.0"
REQUESTS: Final = "requests==2.34.2"
_REMEDY: Final = "let this machine reach a Python package index, or set PIP_INDEX_URL to a mirror of one"


def client_python(cache: Cache | None = None) -> Path:
    """Returns the interpreter of the environment, made once; raises MissingToolError where it cannot be."""
    key = f"clip-client-{CLIP_RETRIEVAL}-python{sys.version_info.major}.{sys.version_info.minor}"
    try:
        return (cache or Cache.of_user()).provide(key.replace("==", "-"), _fetch) / "bin" / "python"
    except FetchError as error:
        raise MissingToolError(f"{CLIP_RETRIEVAL} could not be had ({error})", _REMEDY) from error


def _fetch(folder: Path) -> None:
    run([sys.executable, "-m", "venv", folder])
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "-q"]
    run([*pip, "--disable-pip-version-check", "--no-deps", CLIP_RETRIEVAL])
    run([*pip, "--disable-pip-version-check", REQUESTS])
