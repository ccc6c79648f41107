"""Reading single images out of shards by ranged requests."""

from __future__ import annotations

import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from pairmill.dataset.tar_writer import is_intact
from pairmill.errors import CorruptObjectError
from pairmill.store.port import ObjectStore

_HEADER: Final = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """Where an image lies."""

    sample_id: str  # hex
    shard: str  # key of the tar
    tar_offset: int
    tar_size: int


@dataclass(frozen=True, slots=True)
class Image:
    """An image's bytes as stored."""

    extension: str  # such as `jpg`
    data: bytes


def read_image(store: ObjectStore, stored: StoredImage) -> Image:
    """Returns an image, checked by the tar header before it: the only check of a part of a tar.

    Raises CorruptObjectError where the header is not that of the sample's image, or the image does not have
    the checksum in it; read once more before, for bytes may have changed on their way (G4).
    """
    try:
        return _read_once(store, stored)
    except CorruptObjectError:
        return _read_once(store, stored)


def _read_once(store: ObjectStore, stored: StoredImage) -> Image:
    start = stored.tar_offset - _HEADER
    data = store.get_range(stored.shard, max(0, start), stored.tar_size + _HEADER) if start >= 0 else b""
    header, image = _header(data, stored), data[_HEADER:]
    stem, _, extension = header.name.partition(".")
    if stem != stored.sample_id or not extension or not header.size == stored.tar_size == len(image):
        raise CorruptObjectError(f"{stored.shard}: no image of {stored.sample_id} at {stored.tar_offset}")
    if not is_intact(header, image):
        raise CorruptObjectError(f"{stored.shard}: the image of {stored.sample_id} has other bytes by now")
    return Image(extension, image)


def read_images(
    store: ObjectStore, wanted: Iterable[StoredImage], *, threads: int, check: Callable[[], None]
) -> Iterator[Image]:
    """Yields images in the order asked for; so many requests run at once, so many images are held."""
    waiting: deque[Future[Image]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="images") as pool:
        try:
            for stored in wanted:
                waiting.append(pool.submit(read_image, store, stored))
                if len(waiting) >= 2 * threads:
                    yield waiting.popleft().result()
                    check()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _header(data: bytes, stored: StoredImage) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(data[:_HEADER], "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise CorruptObjectError(f"{stored.shard}: no tar header before {stored.tar_offset}") from error
