"""A folder for one build's scratch files; what killed ones left behind is removed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from pairmill.store.temporary import held_folder

_PREFIX: Final = "index-"


def workplace(scratch: Path) -> AbstractContextManager[Path]:
    """Gives a new folder in `scratch`, which is made if absent, and removes it with all that is in it."""
    return held_folder(scratch, _PREFIX)
