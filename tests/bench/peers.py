"""The field's tools, each as its package has it, in an environment of their own.

autofaiss and clip-retrieval want older faiss, numpy and pyarrow than Pairmill. They share an environment, for
clip-retrieval depends on autofaiss. What clip-retrieval has for models alone (torch and its company, several
GB) is left out: queries come as vectors, and `peers_back` puts empty modules in its place.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from deploy.local.cache import Cache
from deploy.local.commands import run
from deploy.local.errors import FetchError, MissingToolError

AUTOFAISS: Final = "autofaiss==2.18.0"
CLIP_RETRIEVAL: Final = "clip-retrieval==2.45.0"
NEEDED: Final = (
    "faiss-cpu==1.10.0",
    "numpy==1.26.4",
    "pandas==2.2.3",
    "pyarrow==15.0.2",
    "flask==3.1.2",
    "flask-restful==0.3.10",
    "flask-cors==4.0.2",
    "h5py==3.14.0",
    "pillow==11.3.0",
    "prometheus-client==0.22.1",
    "requests==2.32.5",
    "setuptools==80.9.0",
)
"""The newest that both of them take."""

_REMEDY: Final = "let this machine reach a Python package index, or set PIP_INDEX_URL to a mirror of one"
_HERE: Final = Path(__file__).resolve().parent


def peers_python(cache: Cache | None = None) -> Path:
    """Returns the interpreter of the environment, made once; raises MissingToolError where it cannot be."""
    key = f"peers-{AUTOFAISS}-{CLIP_RETRIEVAL}-python{sys.version_info.major}.{sys.version_info.minor}"
    try:
        return (cache or Cache.of_user()).provide(key.replace("==", "-"), _fetch) / "bin" / "python"
    except FetchError as error:
        raise MissingToolError(
            f"{AUTOFAISS} and {CLIP_RETRIEVAL} could not be had ({error})", _REMEDY
        ) from error


def peer_command(script: str, *arguments: object) -> list[str]:
    """Returns the command that runs a module of this folder, by its name, with the peers' packages alone."""
    own_folder_left_out = "-P"  # its modules are not to stand in for theirs
    return [str(peers_python()), own_folder_left_out, str(_HERE / f"{script}.py"), *map(str, arguments)]


def peer_environment(*, threads: int) -> dict[str, str]:
    """Returns the environment of a peer that may use that many cores in one call of faiss."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PAIRMILL_", "PYTHON"))}
    return kept | {"OMP_NUM_THREADS": str(threads)}


def _fetch(folder: Path) -> None:
    run([sys.executable, "-m", "venv", folder])
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "-q"]
    run([*pip, "--disable-pip-version-check", AUTOFAISS, *NEEDED])
    run([*pip, "--disable-pip-version-check", "--no-deps", CLIP_RETRIEVAL])
