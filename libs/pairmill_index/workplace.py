"""A folder for one build's scratch files; what killed ones left behind is removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pairmill.store.temporary import hold, left_behind

_PREFIX: Final = "index-"


@contextmanager
def workplace(scratch: Path) -> Iterator[Path]:
    """Gives a new folder in `scratch`, which is made if absent, and removes it with all that is in it."""
    scratch.mkdir(parents=True, exist_ok=True)
    for folder in scratch.glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), left_behind(folder) as is_left:
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
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=scratch))
        handle = os.open(folder, os.O_RDONLY)
        if hold(handle, folder):
            return folder, handle
        os.close(handle)
