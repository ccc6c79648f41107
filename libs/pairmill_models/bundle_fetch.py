"""Brings a bundle from where it is kept to a folder: whole and verified, or not at all.

Every byte is compared once, on its way: bundles have gigabytes, and what starts waits for them.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from pairmill.errors import ConfigurationError, CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore
from pairmill.store.temporary import held_folder
from pairmill_models.bundle import CARD_NAME, Bundle, FileFacts, compared_bundle, load_bundle, named_files

_BLOCK: Final = 2**20


def fetch_bundle(source: ObjectStore, folder: Path, *, wanted_digest: str = "") -> Bundle:
    """Returns the bundle at the root of a store, from now on in a folder.

    One that stands there already is read again, and replaced where it is another one than the store's.
    Raises ConfigurationError where the store holds no bundle, a damaged one, or not the one wanted.
    """
    with _beside(folder) as part:
        _told(CARD_NAME, partial(source.fetch, CARD_NAME, part / CARD_NAME))
        if _same_card(part, folder):
            return load_bundle(folder, wanted_digest=wanted_digest)
        _fetch_files(source, part)
        return _put(part, folder, wanted_digest)


def copy_bundle(source: Path, folder: Path, *, wanted_digest: str = "") -> Bundle:
    """The same from a folder of this machine."""
    files = named_files(source)
    if _same_card(source, folder):
        return load_bundle(folder, wanted_digest=wanted_digest)
    with _beside(folder) as part:
        shutil.copyfile(source / CARD_NAME, part / CARD_NAME)
        for name, facts in files.items():
            _copy_file(source, part, name, facts)
        return _put(part, folder, wanted_digest)


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Gives an empty folder that can take the name of another one, and removes what is left of it."""
    with held_folder(folder.parent, f".{folder.name}-") as outer:
        part = outer / folder.name
        part.mkdir()
        yield part


def _fetch_files(source: ObjectStore, part: Path) -> None:
    for name, facts in named_files(part).items():
        path, digest = part / name, bytes.fromhex(facts.sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        _told(name, partial(source.fetch, name, path, sha256=digest))


def _copy_file(source: Path, part: Path, name: str, facts: FileFacts) -> None:
    (part / name).parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with _opened(source, name) as old, (part / name).open("wb") as new:
        while block := old.read(_BLOCK):
            digest.update(block)
            new.write(block)
    if digest.hexdigest() != facts.sha256:
        raise ConfigurationError(
            f"bundle: {source}: {name} has other bytes than its card says; copy it again"
        )


def _opened(source: Path, name: str) -> BinaryIO:
    path = source / name
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "no regular file")  # opening a pipe would wait for ever
        return path.open("rb")
    except OSError as error:
        raise ConfigurationError(f"bundle: {source}: {name}: {error.strerror}; copy it again") from error


def _told(name: str, fetch: Callable[[], object]) -> None:
    try:
        fetch()
    except ObjectMissingError as error:
        raise ConfigurationError(f"bundle: {name} is not there; name a prefix that holds a bundle") from error
    except CorruptObjectError as error:
        raise ConfigurationError(f"bundle: {name}: {error}; upload the bundle again") from error


def _same_card(one: Path, other: Path) -> bool:
    path = other / CARD_NAME
    return path.is_file() and path.read_bytes() == (one / CARD_NAME).read_bytes()


def _put(part: Path, folder: Path, wanted_digest: str) -> Bundle:
    """Gives the finished files their name; whoever reads the old ones meanwhile keeps those it has open."""
    compared_bundle(part, wanted_digest=wanted_digest)
    if folder.exists():
        shutil.rmtree(folder)
    part.rename(folder)
    return compared_bundle(folder)
