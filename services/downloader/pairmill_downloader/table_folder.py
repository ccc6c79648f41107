"""The output folder of a table: one request, one call at a time."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pairmill.errors import ConfigurationError
from pairmill_downloader.table_output import put_whole
from pairmill_downloader.table_request import TableRequest

IDENTITY_FILE: Final = "download.json"
SCRATCH_PREFIX: Final = ".scratch-"
_LOCK_FILE: Final = ".lock"


@contextmanager
def claimed(request: TableRequest) -> Iterator[None]:
    """Holds the output folder for a request; sweeps what a call that was killed left there.

    Raises ConfigurationError if the folder is in use, holds the shards of another request, or cannot be
    written.
    """
    try:
        request.out.mkdir(parents=True, exist_ok=True)
        lock = (request.out / _LOCK_FILE).open("w")
    except OSError as error:
        raise ConfigurationError(f"--out: {request.out} cannot be used: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(f"--out: {request.out} is in use by another download") from error
        _check_identity(request)
        for left in request.out.glob(f"{SCRATCH_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def _check_identity(request: TableRequest) -> None:
    path, identity = request.out / IDENTITY_FILE, request.identity()
    try:
        known = json.loads(path.read_bytes()) if path.exists() else None
    except ValueError as error:
        raise ConfigurationError(f"--out: {path} is damaged; choose another folder") from error
    if known is None:
        put_whole(path, json.dumps(identity, indent=2, sort_keys=True).encode())
        return
    differing = sorted(name for name in {*known, *identity} if known.get(name) != identity.get(name))
    if differing:
        shown = (f"{name}: {known.get(name)!r} there, {identity.get(name)!r} here" for name in differing)
        raise ConfigurationError(
            f"--out: {request.out} holds the shards of another request; choose another folder\n"
            + "\n".join(shown)
        )
