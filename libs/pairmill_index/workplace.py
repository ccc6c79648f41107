"""A folder for one build's scratch files; what killed ones left behind is removed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PREFIX: Final = "index-"


@contextmanager
def workplace(scratch: Path) -> Iterator[Path]:
    """Gives a new folder in `scratch`, which is made if absent, and removes it with all that is in it."""
    scratch.mkdir(parents=True, exist_ok=True)
    for left in scratch.glob(f"{_PREFIX}*-*"):
        if not _is_alive(left.name.removeprefix(_PREFIX).partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=scratch) as folder:
        yield Path(folder)


def _is_alive(owner: str) -> bool:
    if not owner.isdigit():
        return True  # not ours
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
