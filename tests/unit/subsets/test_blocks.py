"""Samples cut out of stored tars: the same bytes, checked, whatever stands around them."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from pairmill.dataset.tar_writer import TarWriter
from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill_explorer.subsets.exports.blocks import RawSample, Wanted, read_samples
from pairmill_explorer.subsets.exports.ranges import FolderRanges, StoreRanges
from pairmill_explorer.subsets.exports.spaces import Space, Spaces
from tests.fakes.store import MemoryStore

TEXTS = ["short", "", "long " * 3000]  # the last is longer than what is read at once


def keyed(number: int) -> str:
    return f"{number:032x}"


def write_tar(path: Path, count: int = 6) -> list[Wanted]:
    """Writes samples and returns where they stand."""
    wanted = []
    with TarWriter(path, checksums=True) as tar:
        for number in range(count):
            placed = tar.add(f"{keyed(number)}.jpg", bytes([number]) * (700 * number + 1))
            tar.add(f"{keyed(number)}.txt", TEXTS[number % 3].encode())
            tar.add(f"{keyed(number)}.json", b"{}")
            wanted.append(Wanted(keyed(number), "a.tar", placed.offset, placed.size))
    return wanted


def members_of(space: Space, sample: RawSample) -> dict[str, bytes]:
    blocks = space.filled[sample.start : sample.start + sample.length]
    with tarfile.open(fileobj=io.BytesIO(bytes(blocks) + bytes(1024))) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]  # plain


def good(found: RawSample | CorruptObjectError) -> RawSample:
    assert isinstance(found, RawSample)
    return found


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 0, 3], [2]], ids=str)
def test_samples_come_in_the_order_asked_for_with_all_their_members(tmp_path: Path, order: list[int]) -> None:
    wanted = write_tar(tmp_path / "a.tar")
    with FolderRanges(tmp_path) as ranges:
        space = Space()
        found = read_samples(ranges, [wanted[number] for number in order], space)
    for number, sample in zip(order, found, strict=True):
        key = keyed(number)
        assert members_of(space, good(sample)) == {
            f"{key}.jpg": bytes([number]) * (700 * number + 1),
            f"{key}.txt": TEXTS[number % 3].encode(),
            f"{key}.json": b"{}",
        }
        assert good(sample).extension == "jpg"


def test_neighbours_are_read_by_one_request(tmp_path: Path) -> None:
    wanted = write_tar(tmp_path / "a.tar")
    store = MemoryStore()
    store.put_file("a.tar", tmp_path / "a.tar")
    short = [one for number, one in enumerate(wanted) if number % 3 != 2]
    read_samples(StoreRanges(store), short, Space())
    assert store.range_bytes < (tmp_path / "a.tar").stat().st_size


@pytest.mark.parametrize("place", [100, 600, 512 + 20, 1536 + 513], ids=["name", "image", "image 2", "text"])
def test_g4_a_flipped_bit_is_found_and_costs_one_sample(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a.tar"
    wanted = write_tar(path)
    data = bytearray(path.read_bytes())
    data[wanted[1].start + place] ^= 1
    path.write_bytes(data)
    space = Space()
    with FolderRanges(tmp_path) as ranges:
        found = read_samples(ranges, wanted, space)
    assert space.used == sum(one.length for one in found if isinstance(one, RawSample))
    assert [isinstance(one, CorruptObjectError) for one in found] == [False, True, False, False, False, False]
    assert keyed(1) in str(found[1])


@pytest.mark.parametrize("kept", [0, 100, 1200, 4000])
def test_g4_a_tar_that_was_cut_gives_what_is_left(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.tar"
    wanted = write_tar(path)
    path.write_bytes(path.read_bytes()[: wanted[4].start + kept])
    space = Space()
    with FolderRanges(tmp_path) as ranges:
        found = read_samples(ranges, wanted, space)
    assert space.used == sum(one.length for one in found if isinstance(one, RawSample))
    assert [isinstance(one, CorruptObjectError) for one in found] == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    "wrong",
    [
        Wanted(keyed(0), "a.tar", 0, 1),
        Wanted(keyed(0), "a.tar", 513, 1),
        Wanted(keyed(0), "a.tar", 512, 2),
        Wanted(keyed(9), "a.tar", 512, 1),
        Wanted(keyed(0), "a.tar", 10**9, 1),
    ],
    ids=["no header", "shifted", "other size", "other sample", "behind the end"],
)
def test_g6_what_is_not_there_is_said_to_be_damaged(tmp_path: Path, wrong: Wanted) -> None:
    write_tar(tmp_path / "a.tar")
    with FolderRanges(tmp_path) as ranges:
        assert isinstance(read_samples(ranges, [wrong], Space())[0], CorruptObjectError)


def test_a_tar_that_is_gone_ends_the_export(tmp_path: Path) -> None:
    with FolderRanges(tmp_path) as ranges, pytest.raises(ObjectMissingError):
        read_samples(ranges, [Wanted(keyed(0), "gone.tar", 512, 1)], Space())


def test_no_more_files_are_open_than_asked_for(tmp_path: Path) -> None:
    for number in range(6):
        write_tar(tmp_path / f"{number}.tar")
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    with FolderRanges(tmp_path, most_open=2) as ranges:
        for number in range(6):
            ranges.read(f"{number}.tar", 0, 512)
        assert len(list(Path("/proc/self/fd").iterdir())) <= open_before + 2
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before


def test_samples_that_are_read_at_once_and_one_by_one_are_the_same(tmp_path: Path) -> None:
    """Far apart, each is read where it goes; of a store that is no folder by a request."""
    wanted, store = write_tar(tmp_path / "a.tar", 60), MemoryStore()
    store.put_file("a.tar", tmp_path / "a.tar")
    far = [*wanted[::20], wanted[5]]
    with FolderRanges(tmp_path) as folder:
        spaces = [Space(), Space(), Space()]
        read_samples(folder, far, spaces[0])
        read_samples(StoreRanges(store), far, spaces[1])
        for one in far:
            read_samples(folder, [one], spaces[2])
    assert len({bytes(space.filled) for space in spaces}) == 1


def test_a_space_grows_and_keeps_what_it_holds() -> None:
    space = Space()
    space.room(3)[:] = b"abc"
    assert space.take(3) == 0
    space.room(5 << 20)[:2] = b"de"
    assert space.take(2) == 3
    assert bytes(space.filled) == b"abcde"


def test_spaces_are_lent_again_unless_they_have_grown_too_large() -> None:
    spaces = Spaces()
    small, large = spaces.lend(), spaces.lend()
    large.room(1 << 25)
    small.take(7)
    spaces.give_back(large)
    spaces.give_back(small)
    assert spaces.lend() is small
    assert small.used == 0
    assert spaces.lend() is not large
