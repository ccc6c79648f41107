"""Reading a shard: every row gets its own image or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from pairmill_inference.shard import ShardImages, ShardRow, blocks_of, downloaded_rows
from pairmill_models.decoding import ImageError
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.shard import Row, Shard, build_shard, row


@pytest.fixture
def shard() -> Shard:
    failed = [Row(text=f"gone {number}", image=None) for number in range(3)]
    return build_shard([*(row(number) for number in range(9)), *failed])


def read_rows(shard: Shard, folder: Path, *, block_rows: int = 100) -> list[list[ShardRow]]:
    (folder / "index.parquet").write_bytes(shard.index)
    return list(blocks_of(downloaded_rows(folder / "index.parquet"), block_rows, 2**20))


def open_tar(shard: Shard, folder: Path) -> ShardImages:
    (folder / "shard.tar").write_bytes(shard.tar)
    return ShardImages(folder / "shard.tar", "shards/one.tar")


def test_only_downloaded_rows_are_read_in_the_order_of_the_index(shard: Shard, tmp_path: Path) -> None:
    (rows,) = read_rows(shard, tmp_path)
    wanted = [item for item in shard.rows if item.image is not None]
    assert [found.sample_id for found in rows] == [item.key for item in wanted]
    with open_tar(shard, tmp_path) as images:
        stored = [images.read(found) for found in rows]
    assert [item.data for item in stored] == [item.image for item in wanted]
    assert stored[0].pair.caption == wanted[0].text
    assert stored[0].pair.image_path == f"shards/one.tar/{wanted[0].key}.jpg"


def test_blocks_are_bounded_by_rows_and_by_bytes(shard: Shard, tmp_path: Path) -> None:
    assert [len(block) for block in read_rows(shard, tmp_path, block_rows=4)] == [4, 4, 1]
    table = downloaded_rows(tmp_path / "index.parquet")
    assert [len(block) for block in blocks_of(table, 4, 1)] == [1] * 9


def test_f8_an_offset_of_another_sample_is_refused(shard: Shard, tmp_path: Path) -> None:
    ((first, second, *_),) = read_rows(shard, tmp_path)
    crossed = ShardRow(
        sample_id=first.sample_id,
        url=first.url,
        caption=first.caption,
        tar_offset=second.tar_offset,
        tar_size=second.tar_size,
    )
    with open_tar(shard, tmp_path) as images, pytest.raises(ImageError, match="something else"):
        images.read(crossed)


@pytest.mark.parametrize(
    ("offset", "size", "reason"),
    [
        (None, None, Reason.REASON_DECODE_ERROR),
        (512, 0, Reason.REASON_DECODE_ERROR),
        (512, 2**30, Reason.REASON_TRUNCATED_IMAGE),
        (2**30, 100, Reason.REASON_DECODE_ERROR),
        (3, 100, Reason.REASON_DECODE_ERROR),
    ],
    ids=["none", "empty", "too-long", "beyond", "before"],
)
def test_an_image_that_is_not_there_has_a_reason(
    shard: Shard, tmp_path: Path, offset: int | None, size: int | None, reason: int
) -> None:
    ((first, *_),) = read_rows(shard, tmp_path)
    wrong = ShardRow(sample_id=first.sample_id, url="", caption="", tar_offset=offset, tar_size=size)
    with open_tar(shard, tmp_path) as images, pytest.raises(ImageError) as caught:
        images.read(wrong)
    assert caught.value.reason == reason
