"""What is being written is held by a lock, so that what a dead process left is told from it.

A writer holds flock(2) on its file or folder. The kernel lets go of it when the process ends, however
it ends; a process id would be given to a later process, and a dead one whose parent does not ask for
its end would seem to live.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from pairmill.store.keys import TEMPORARY

_RANDOM_BYTES: Final = 8
_RANDOM: Final = re.compile(f"[0-9a-f]{{{2 * _RANDOM_BYTES}}}")


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


@contextmanager
def held_folder(place: Path, prefix: str) -> Iterator[Path]:
    """Gives a new folder in `place`, which is made if absent, and removes it with all that is in it.

    Its name is the prefix with something random. Folders named so that nobody holds any more are removed
    first; what else lies there may be somebody's, and stays.
    """
    place.mkdir(parents=True, exist_ok=True)
    for folder in place.iterdir():
        if folder.name.startswith(prefix) and _RANDOM.fullmatch(folder.name.removeprefix(prefix)):
            with contextlib.suppress(OSError), left_behind(folder) as is_left:  # or another user's
                if is_left:
                    shutil.rmtree(folder, ignore_errors=True)
    made, handle = _new_folder(place, prefix)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(handle)


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
        yield _locked(handle)
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _new_file(folder: Path) -> tuple[BinaryIO, Path]:
    while True:
        temporary = folder / f"{TEMPORARY}{secrets.token_hex(_RANDOM_BYTES)}"
        file = temporary.open("xb")
        try:
            if hold(file.fileno(), temporary):
                return file, temporary
        except BaseException:
            file.close()
            raise
        file.close()


def _new_folder(place: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = place / f"{prefix}{secrets.token_hex(_RANDOM_BYTES)}"
        folder.mkdir(mode=0o700)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # swept before that
            continue
        if hold(handle, folder):
            return folder, handle
        os.close(handle)
