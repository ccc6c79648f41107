"""A folder for one build's scratch files; what killed ones left behind is removed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pairmill.store.temporary import hold, left_behind

_PREFIX: Final = "index-"
_OWN: Final = f"{_PREFIX}{'[0-9a-f]' * 16}"  # the place may be one where others keep folders too


@contextmanager
def workplace(scratch: Path) -> Iterator[Path]:
    """Gives a new folder in `scratch`, which is made if absent, and removes it with all that is in it."""
    scratch.mkdir(parents=True, exist_ok=True)
    for folder in scratch.glob(_OWN):
        with contextlib.suppress(OSError), left_behind(folder) as is_left:  # or another user's
            if is_left:
                shutil.rmtree(folder, ignore_errors=True)
    made, handle = _new_folder(scratch)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(handle)


def _new_folder(scratch: Path) -> tuple[Path, int]:
    while True:
        folder = scratch / f"{_PREFIX}{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # swept before that
            continue
        if hold(handle, folder):
            return folder, handle
        os.close(handle)
