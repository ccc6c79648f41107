"""Cutting a tar of some samples out of a shard's tar."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from pairmill.errors import InvalidRecordError
from pairmill_scorer.kept_tar import cut_tar
from tests.fakes.shard import Shard, build_shard, row


@pytest.fixture
def shard() -> Shard:
    return build_shard(row(number) for number in range(7))


def cut(shard: bytes, folder: Path, keys: set[str]) -> tuple[bytes, dict[int, int]]:
    (folder / "in.tar").write_bytes(shard)
    moved = cut_tar(folder / "in.tar", folder / "out.tar", keys)
    return (folder / "out.tar").read_bytes(), moved


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_the_samples_named_are_copied_byte_for_byte(shard: Shard, tmp_path: Path) -> None:
    wanted = {shard.rows[place].key for place in (1, 2, 6)}
    data, _ = cut(shard.tar, tmp_path, wanted)
    everything = members(shard.tar)
    assert members(data) == {
        name: body for name, body in everything.items() if name.partition(".")[0] in wanted
    }
    assert len(data) % tarfile.RECORDSIZE == 0


def test_the_new_places_hold_the_same_bytes(shard: Shard, tmp_path: Path) -> None:
    wanted = {item.key for item in shard.rows[::2]}
    data, moved = cut(shard.tar, tmp_path, wanted)
    with tarfile.open(fileobj=io.BytesIO(shard.tar)) as tar:
        for member in tar:
            if member.name.partition(".")[0] in wanted:
                start = moved.pop(member.offset_data)
                body = shard.tar[member.offset_data : member.offset_data + member.size]
                assert data[start : start + member.size] == body
    assert not moved


def test_the_whole_shard_cut_is_the_shard(shard: Shard, tmp_path: Path) -> None:
    data, moved = cut(shard.tar, tmp_path, {item.key for item in shard.rows})
    assert data == shard.tar
    assert all(before == after for before, after in moved.items())


@pytest.mark.parametrize("damage", ["header", "end", "link"])
def test_g4_a_damaged_tar_is_refused(shard: Shard, tmp_path: Path, damage: str) -> None:
    data = bytearray(shard.tar)
    match damage:
        case "header":
            data[:100] = b"\xff" * 100
        case "end":
            data = data[:700]
        case _:
            sink = io.BytesIO()
            with tarfile.open(fileobj=sink, mode="w") as tar:
                link = tarfile.TarInfo("a.jpg")
                link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(link)
            data = bytearray(sink.getvalue())
    with pytest.raises(InvalidRecordError):
        cut(bytes(data), tmp_path, {item.key for item in shard.rows})
