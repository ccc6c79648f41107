"""Images are read out of shards by parts of them, each checked by itself (G4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pairmill.dataset.tar_writer import TarWriter
from pairmill.errors import CorruptObjectError
from pairmill_finaliser.images import StoredImage, read_image
from tests.fakes.store import MemoryStore

SAMPLE = "00" * 16
PICTURE = bytes(range(256)) * 20
SHARD = "shards/j/00001.tar"


def stored(tmp_path: Path, *, checksums: bool) -> tuple[MemoryStore, StoredImage]:
    path = tmp_path / "a.tar"
    with TarWriter(path, checksums=checksums) as tar:
        tar.add("ff.jpg", b"another")
        placed = tar.add(f"{SAMPLE}.jpg", PICTURE)
    store = MemoryStore(strict=False)
    store.put(SHARD, path.read_bytes())
    return store, StoredImage(sample_id=SAMPLE, shard=SHARD, tar_offset=placed.offset, tar_size=placed.size)


def flip(store: MemoryStore, place: int) -> None:
    data = bytearray(store.objects[SHARD])
    data[place] ^= 1
    store.objects[SHARD] = bytes(data)


@pytest.mark.parametrize("checksums", [True, False])
def test_an_image_is_read_with_its_extension(tmp_path: Path, checksums: bool) -> None:
    store, image = stored(tmp_path, checksums=checksums)
    found = read_image(store, image)
    assert (found.extension, found.data) == ("jpg", PICTURE)


@pytest.mark.parametrize("place", [0, 1, len(PICTURE) // 2, len(PICTURE) - 1])
def test_g4_a_bit_that_turned_over_in_an_image_is_noticed(tmp_path: Path, place: int) -> None:
    store, image = stored(tmp_path, checksums=True)
    flip(store, image.tar_offset + place)
    with pytest.raises(CorruptObjectError, match="other bytes"):
        read_image(store, image)


def test_g4_a_damaged_header_is_noticed(tmp_path: Path) -> None:
    store, image = stored(tmp_path, checksums=True)
    flip(store, image.tar_offset - 500)
    with pytest.raises(CorruptObjectError):
        read_image(store, image)


def test_g4_bytes_that_changed_on_their_way_are_read_again(tmp_path: Path) -> None:
    store, image = stored(tmp_path, checksums=True)

    class OnceWrong(MemoryStore):
        wrong = 1

        def get_range(self, key: str, start: int, length: int) -> bytes:
            data = store.get_range(key, start, length)
            if self.wrong:
                self.wrong -= 1
                return data[:-1] + bytes([data[-1] ^ 1])
            return data

    assert read_image(OnceWrong(strict=False), image).data == PICTURE
