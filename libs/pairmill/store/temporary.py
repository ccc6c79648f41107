"""What is being written is held by a lock, so that what a dead process left is told from it.

A writer holds flock(2) on its file or folder. The kernel lets go of it when the process ends, however
it ends; a process id would be given to a later process, and a dead one whose parent does not ask for
its end would seem to live.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pairmill.store.keys import TEMPORARY


@contextmanager
def writing_beside(path: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """Gives a new file in the path's folder, and its name, to be written and renamed; else it is removed."""
    file, temporary = _new_file(path.parent)
    try:
        with file:
            yield file, temporary
    finally:
        with contextlib.suppress(OSError):  # swept later
            temporary.unlink()


def sweep(root: Path) -> int:
    """Removes the files below a folder that nobody writes any more; returns how many."""
    swept = 0
    for where, _, names in os.walk(root):
        for name in names:
            if name.startswith(TEMPORARY):
                with contextlib.suppress(OSError), left_behind(Path(where) / name) as is_left:
                    if is_left:
                        (Path(where) / name).unlink()
                        swept += 1
    return swept


def hold(handle: int, path: Path) -> bool:
    """Locks what was just made at a path while the handle is open; False if it was swept before that."""
    fcntl.flock(handle, fcntl.LOCK_EX)  # waits for nobody but a sweep that removes it
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def left_behind(path: Path) -> Iterator[bool]:
    """Tells whether nobody holds a file or folder, which nobody then does before the block ends."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


def _new_file(folder: Path) -> tuple[BinaryIO, Path]:
    while True:
        temporary = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
        file = temporary.open("xb")
        try:
            if hold(file.fileno(), temporary):
                return file, temporary
        except BaseException:
            file.close()
            raise
        file.close()
