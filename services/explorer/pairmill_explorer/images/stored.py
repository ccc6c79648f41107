"""Stored images: one ranged read each, checked against the checksum in the tar."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import Final

from pairmill.dataset.tar_writer import is_intact
from pairmill.dataset.tars import BLOCK
from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore

MAX_STORED_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlace:
    """Where an image lies."""

    tar: str
    offset: int
    size: int


def read_image(store: ObjectStore, place: ImagePlace, sample_id: str) -> bytes | None:
    """Returns the bytes of a stored image; None where the tar is gone.

    Raises CorruptObjectError where the tar does not hold there what the index says (G4).
    """
    if not 0 < place.size <= MAX_STORED_BYTES or place.offset < BLOCK:
        raise CorruptObjectError(
            f"{place.tar}: no image can lie at {place.offset:,} with {place.size:,} bytes"
        )
    try:
        data = store.get_range(place.tar, place.offset - BLOCK, BLOCK + place.size)
    except ObjectMissingError:
        return None
    return _checked(data, place, sample_id)


def _checked(data: bytes, place: ImagePlace, sample_id: str) -> bytes:
    where = f"{place.tar} at byte {place.offset:,}"
    try:
        header = tarfile.TarInfo.frombuf(data[:BLOCK], encoding="utf-8", errors="strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise CorruptObjectError(f"{where}: there is no tar header before it: {error}") from error
    body = data[BLOCK:]
    if header.name.partition(".")[0] != sample_id or header.size != place.size or len(body) != place.size:
        raise CorruptObjectError(f"{where}: it holds {header.name!r}, not the image of {sample_id}")
    if not is_intact(header, body):
        raise CorruptObjectError(f"{where}: the image does not have the checksum in its header")
    return body
