"""`pairmill embed`: any WebDataset shards to clip-retrieval's layout."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from embedding_reader import EmbeddingReader

from pairmill.errors import ConfigurationError, RetriableError
from pairmill_inference.embed import EmbedSummary, embed_shards
from pairmill_inference.pairs import RowFailure, StoredPair
from pairmill_inference.webdataset import MAX_MEMBER_BYTES, samples_of
from tests.fakes.embed_parts import embed_parts
from tests.fakes.embedder import FakeEmbedder
from tests.fakes.shard import build_shard, drawn_picture, jpeg, row

IMAGE = jpeg(drawn_picture(1))


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def own_shard(path: Path, rows: range) -> Path:
    path.write_bytes(build_shard(row(number) for number in rows).tar)
    return path


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_samples_are_told_apart_by_their_names(tmp_path: Path) -> None:
    members = {
        "000.jpg": IMAGE,
        "000.txt": "a café".encode(),
        "000.json": json.dumps({"url": "https://a.test/", "caption": "other"}).encode(),
        "sub/001.PNG": IMAGE,
        "sub/001.json": json.dumps({"caption": "from json", "sample_id": "x1"}).encode(),
        "002.jpg": IMAGE,
        "003.txt": b"no image",
        "003.notes": b"something else",
        "004.jpg": IMAGE,
        "004.txt": b"\xff\xfe broken",
        "004.json": b"{not json",
    }
    found = list(samples_of(write_tar(tmp_path / "a.tar", members)))
    pairs = {item.pair.key: item.pair for item in found if isinstance(item, StoredPair)}
    assert list(pairs) == ["000", "sub/001", "004"]
    assert (pairs["000"].caption, pairs["000"].url) == ("a café", "https://a.test/")
    assert (pairs["sub/001"].caption, pairs["sub/001"].sample_id) == ("from json", "x1")
    assert pairs["sub/001"].image_path.endswith("a.tar/sub/001.PNG")
    assert pairs["004"].caption == "\ufffd\ufffd broken"
    failed = {item.sample_id: item.detail for item in found if isinstance(item, RowFailure)}
    assert failed == {"002": "the sample has no text", "003": "the sample has no image"}


def test_embedding_reader_reads_the_result(tmp_path: Path) -> None:
    shards = [own_shard(tmp_path / f"{number}.tar", range(number * 9, number * 9 + 9)) for number in (0, 1)]
    with embed_parts() as parts:
        summary = embed_shards(shards, parts, tmp_path / "out")
    assert (summary.rows, summary.embedded, summary.shards_done) == (18, 18, 2)
    assert files_below(tmp_path / "out") == [
        "embed.json",
        "img_emb/img_emb_0.npy",
        "img_emb/img_emb_1.npy",
        "metadata/metadata_0.parquet",
        "metadata/metadata_1.parquet",
        "text_emb/text_emb_0.npy",
        "text_emb/text_emb_1.npy",
    ]
    reader = EmbeddingReader(
        embeddings_folder=str(tmp_path / "out" / "img_emb"),
        metadata_folder=str(tmp_path / "out" / "metadata"),
        meta_columns=["sample_id", "caption"],
        file_format="parquet_npy",
    )
    ((rows, metadata),) = list(reader(batch_size=100, show_progress=False))
    assert rows.shape == (18, 16)
    texts = np.concatenate([np.load(path) for path in sorted((tmp_path / "out" / "text_emb").iterdir())])
    assert np.allclose(texts, FakeEmbedder().embed_texts(list(metadata["caption"])), atol=1e-3)


def test_numbers_have_a_fixed_width_so_that_listings_agree(tmp_path: Path) -> None:
    shards = [own_shard(tmp_path / f"{number:02d}.tar", range(number, number + 1)) for number in range(11)]
    with embed_parts() as parts:
        embed_shards(shards, parts, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out" / "img_emb").iterdir())
    assert names == [f"img_emb_{number:02d}.npy" for number in range(11)]


def test_samples_that_fail_are_listed_with_their_reasons(tmp_path: Path) -> None:
    members = {"a.jpg": IMAGE, "a.txt": b"fine", "b.jpg": b"<html>", "b.txt": b"no picture", "c.jpg": IMAGE}
    with embed_parts() as parts:
        summary = embed_shards([write_tar(tmp_path / "a.tar", members)], parts, tmp_path / "out")
    assert (summary.rows, summary.embedded) == (3, 1)
    assert summary.failed == {"not_an_image": 1, "no_alt": 1}
    failures = pq.read_table(tmp_path / "out" / "failures" / "failures_0.parquet")
    assert failures["sample_id"].to_pylist() == ["b", "c"]


def test_a_shard_without_a_usable_sample_leaves_no_empty_files(tmp_path: Path) -> None:
    with embed_parts() as parts:
        shard = write_tar(tmp_path / "a.tar", {"a.txt": b"alone"})
        summary = embed_shards([shard], parts, tmp_path / "out")
    assert summary.embedded == 0
    assert files_below(tmp_path / "out") == ["embed.json", "failures/failures_0.parquet"]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("packed", [False, True], ids=["tar", "tar.gz"])
def test_what_can_be_read_of_a_broken_shard_is_embedded(tmp_path: Path, share: float, packed: bool) -> None:
    data = build_shard(row(number) for number in range(20)).tar
    data = gzip.compress(data) if packed else data.rstrip(b"\0")
    path = tmp_path / "cut.tar"
    path.write_bytes(data[: int(len(data) * share)])
    with embed_parts() as parts:
        summary = embed_shards([path], parts, tmp_path / "out")
    assert list(summary.broken) == [str(path)]
    assert 0 < summary.embedded < 20
    assert summary.embedded == summary.rows


def pax_note(**headers: str) -> bytes:
    member = tarfile.TarInfo("b.jpg")
    member.pax_headers = headers
    return member.tobuf(tarfile.PAX_FORMAT)


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("b.jpg")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "damage",
    [
        header(tarfile.REGTYPE, 2**60),
        header(tarfile.REGTYPE, -(2**40)),
        header(tarfile.GNUTYPE_LONGNAME, 2**40),
        header(tarfile.XHDTYPE, 2**40),
        header(tarfile.GNUTYPE_SPARSE, 5),
        pax_note(size=str(2**60)),
        pax_note(size="-5"),
        pax_note(**{"GNU.sparse.map": "0,x", "GNU.sparse.size": "5"}),
        pax_note(**{"GNU.sparse.map": f"0,1,{2**50},1", "GNU.sparse.size": str(2**51)}),
    ],
    ids=[
        "huge",
        "negative",
        "long-name",
        "note",
        "sparse",
        "pax-huge",
        "pax-negative",
        "pax-map",
        "pax-sparse",
    ],
)
@pytest.mark.timeout(20)
def test_a_header_that_lies_ends_the_shard_and_nothing_else(tmp_path: Path, damage: bytes) -> None:
    path = write_tar(tmp_path / "a.tar", {"a.jpg": IMAGE, "a.txt": b"fine"})
    data = path.read_bytes().rstrip(b"\0")
    path.write_bytes(data + bytes(-len(data) % tarfile.BLOCKSIZE) + damage + IMAGE + bytes(2**14))
    found: list[str] = []
    with pytest.raises(tarfile.ReadError):
        found.extend(item.pair.key for item in samples_of(path) if isinstance(item, StoredPair))
    assert found == ["a"]


def test_a_member_too_large_fails_its_sample_and_not_the_next(tmp_path: Path) -> None:
    members = {"a.jpg": bytes(MAX_MEMBER_BYTES + 1), "a.txt": b"large", "b.jpg": IMAGE, "b.txt": b"fine"}
    first, second = samples_of(write_tar(tmp_path / "a.tar", members))
    assert isinstance(first, RowFailure)
    assert "more than 67108864 bytes" in first.detail
    assert isinstance(second, StoredPair)


def test_the_same_call_goes_on_where_it_stopped(tmp_path: Path) -> None:
    shards = [own_shard(tmp_path / f"{number}.tar", range(number * 5, number * 5 + 5)) for number in range(3)]
    calls: list[str] = []

    def away(images: np.ndarray, answer: np.ndarray) -> np.ndarray:
        calls.append("image")
        if len(calls) > 3:
            raise RetriableError("the model is away")
        return answer

    with embed_parts(FakeEmbedder(spoil_images=away)) as parts, pytest.raises(RetriableError):
        embed_shards(shards, parts, tmp_path / "out")
    assert (tmp_path / "out" / "metadata" / "metadata_0.parquet").exists()
    assert not [path for path in files_below(tmp_path / "out") if "_1." in path or path.startswith(".")]
    seen: list[int] = []
    with embed_parts() as parts:
        summary = embed_shards(shards, parts, tmp_path / "out", lambda now: seen.append(now.rows))
    assert summary.embedded == 10
    assert summary.shards_done == 3
    assert seen == sorted(seen)
    assert len(files_below(tmp_path / "out")) == 10


def test_another_request_is_refused(tmp_path: Path) -> None:
    shard = own_shard(tmp_path / "a.tar", range(2))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    with embed_parts() as parts:
        embed_shards([shard], parts, tmp_path / "out")
        with pytest.raises(ConfigurationError, match="other shards or another bundle"):
            embed_shards([shard, shard], parts, tmp_path / "out")
        with pytest.raises(ConfigurationError, match="no such file"):
            embed_shards([tmp_path / "b.tar"], parts, tmp_path / "new")
        with pytest.raises(ConfigurationError, match="not empty"):
            embed_shards([shard], parts, tmp_path / "full")


def test_progress_is_told_block_by_block(tmp_path: Path) -> None:
    shard = own_shard(tmp_path / "a.tar", range(9))
    seen: list[tuple[int, int]] = []

    def progress(summary: EmbedSummary) -> None:
        seen.append((summary.rows, summary.shards_done))

    with embed_parts() as parts:
        embed_shards([shard], parts, tmp_path / "out", progress)
    assert seen == [(4, 0), (8, 0), (9, 0), (9, 1)]
