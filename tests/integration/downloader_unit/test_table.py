"""`pairmill download`'s core over a real server: what a user of img2dataset expects to find."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pairmill.errors import ConfigurationError, RetriableError
from pairmill_downloader.config import DownloaderConfig
from pairmill_downloader.fetching.config import Network, Route
from pairmill_downloader.shards.index import Row
from pairmill_downloader.shards.spill import ImageSpill
from pairmill_downloader.table import TableProgress, download_table
from pairmill_downloader.table_output import ShardOutput
from pairmill_downloader.table_request import TableRequest
from tests.fakes.download import picture
from tests.fakes.images_server import ImageServer, serving

HOSTS = 4


@pytest.fixture(scope="module")
def server() -> Iterator[ImageServer]:
    bodies = {f"/{number}.jpg": picture(number, width=120, height=90) for number in range(25)}
    with serving(ImageServer(bodies)) as started:
        yield started


Ask = Callable[..., TableRequest]


@pytest.fixture
def ask(server: ImageServer, tmp_path: Path) -> Ask:
    config = DownloaderConfig(
        allowed_networks=(Network("127.0.0.0/8"),),
        connect_to=(Route(f"test=127.0.0.1:{server.port}"),),
        decode_processes=1,
    )

    def request(table: Path, **options: Any) -> TableRequest:
        known = {"out": tmp_path / "out", "samples_per_shard": 10, "image_size": 64, "config": config}
        columns = {"url_column": "link", "caption_column": "alt", "host_delay_seconds": 0.0}
        return TableRequest(tables=[table], **{**known, **columns, **options})

    return request


def rows(count: int = 25) -> list[dict[str, Any]]:
    return [
        {
            "link": f"http://h{number % HOSTS}.test/{number}.jpg",
            "alt": f"number {number}",
            "licence": "cc0" if number % 2 else None,
            "score": number / 10,
        }
        for number in range(count)
    ]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "links.parquet"
    pq.write_table(pa.Table.from_pylist(rows()), path)
    return path


def written(out: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(out.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_every_row_of_the_table_has_one_row_in_its_order(ask: Ask, table: Path) -> None:
    request = ask(table, save_additional_columns=["licence", "score"])
    summary = download_table(request)
    assert (summary.rows, summary.successes, summary.shards, summary.failed) == (25, 25, 3, {})
    found = written(request.out)
    assert [row["url"] for row in found] == [row["link"] for row in rows()]
    assert [row["caption"] for row in found] == [row["alt"] for row in rows()]
    assert [(row["licence"], row["score"]) for row in found] == [
        (row["licence"], row["score"]) for row in rows()
    ]
    assert [row["key"] for row in found[:2]] == ["000000", "000001"]
    assert found[24]["key"] == "000024"
    assert {(row["width"], row["height"], row["original_width"]) for row in found} == {(85, 64, 120)}


def test_shards_are_webdatasets_whose_images_the_index_points_at(ask: Ask, table: Path) -> None:
    request = ask(table)
    download_table(request)
    names = [path.name for path in sorted(request.out.iterdir()) if not path.name.startswith(".")]
    assert names == sorted(
        [f"0000{number}{end}" for number in range(3) for end in (".parquet", ".tar", "_stats.json")]
        + ["download.json"]
    )
    with tarfile.open(request.out / "00001.tar") as tar:
        members = tar.getnames()
    assert members[:3] == ["000010.jpg", "000010.txt", "000010.json"]
    data = (request.out / "00001.tar").read_bytes()
    row = pq.read_table(request.out / "00001.parquet").to_pylist()[3]
    image = data[row["tar_offset"] : row["tar_offset"] + row["tar_size"]]
    assert Image.open(io.BytesIO(image)).size == (85, 64)
    stats = json.loads((request.out / "00001_stats.json").read_text())
    assert (stats["count"], stats["successes"], stats["status_dict"]) == (10, 10, {"success": 10})


def test_rows_without_an_image_keep_their_row_and_say_why(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    links = ["http://h.test/1.jpg", "http://h.test/404.jpg", "ftp://h.test/a.jpg", "no url", None]
    path.write_text("".join(json.dumps({"link": link, "alt": "x"}) + "\n" for link in links))
    summary = download_table(ask(path))
    assert summary.failed == {"bad_scheme": 1, "bad_url": 2, "http_4xx": 1}
    found = written(tmp_path / "out")
    assert [row["status"] for row in found] == ["success", *["failed_to_download"] * 4]
    assert [row["url"] for row in found] == links


def test_a_finished_shard_is_left_alone(ask: Ask, table: Path, server: ImageServer) -> None:
    request = ask(table)
    download_table(request)
    before = server.requests.total()
    again = download_table(request)
    assert server.requests.total() == before
    assert (again.rows, again.successes, again.shards, again.shards_before) == (25, 25, 3, 3)
    (request.out / "00001_stats.json").unlink()
    third = download_table(request)
    assert (third.shards_before, third.successes) == (2, 25)
    assert server.requests.total() > before


def test_a_stopped_download_goes_on_where_it_was(ask: Ask, table: Path) -> None:
    request = ask(table, shards_in_flight=1)
    stop = threading.Event()

    def stop_after_a_shard(progress: TableProgress) -> None:
        if progress.successes >= 10:
            stop.set()

    first = download_table(request, stop_after_a_shard, stop)
    assert first.stopped
    assert 1 <= first.shards < 3
    second = download_table(request)
    assert not second.stopped
    assert (second.rows, second.shards_before) == (25, first.shards)
    assert len(written(request.out)) == 25


def test_a_folder_of_another_request_is_refused(ask: Ask, table: Path) -> None:
    download_table(ask(table))
    with pytest.raises(ConfigurationError, match="image_size: 64 there, 32 here"):
        download_table(ask(table, image_size=32))


def test_an_outage_of_our_own_ends_the_call_and_no_row(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text(
        "".join(f'{{"link": "http://h{number}.away/1.jpg", "alt": ""}}\n' for number in range(60))
    )
    away = DownloaderConfig(connect_to=(Route("away=servfail"),), decode_processes=1)
    request = ask(path, config=away, samples_per_shard=60)
    with pytest.raises(RetriableError, match="the network seems to be away"):
        download_table(request)
    assert not written(request.out)


def test_d7_a_failure_is_retried_as_often_as_asked(ask: Ask, table: Path, server: ImageServer) -> None:
    server.failures = {"/3.jpg": server.requests["/3.jpg"] + 1, "/4.jpg": 10**6}
    try:
        summary = download_table(ask(table, retries=1))
    finally:
        server.failures = {}
    assert summary.failed == {"http_5xx": 1}


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "json", "jsonl.gz", "csv.gz"])
def test_tables_of_all_kinds_give_the_same(ask: Ask, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"links.{ending}"
    given = [dict(row, alt=row["alt"] + ' "quoted",\ttab') for row in rows(3)]
    text = {
        "csv": lambda: _delimited(given, ","),
        "tsv": lambda: _delimited(given, "\t"),
        "jsonl": lambda: "".join(json.dumps(row) + "\n" for row in given),
        "json": lambda: json.dumps(given),
    }[ending.removesuffix(".gz")]()
    data = text.encode()
    path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
    request = ask(path)
    assert download_table(request).successes == 3
    assert [row["caption"] for row in written(request.out)] == [row["alt"] for row in given]


def _delimited(given: list[dict[str, Any]], delimiter: str) -> str:
    sink = io.StringIO()
    writer = csv.DictWriter(sink, [*given[0]], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(given)
    return sink.getvalue()


def test_a_folder_of_parquets_and_a_list_of_urls_are_tables_too(ask: Ask, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, part in enumerate((rows()[:4], rows()[4:7])):
        pq.write_table(pa.Table.from_pylist(part), folder / f"part-{number}.parquet")
    assert download_table(ask(folder)).rows == 7
    urls = tmp_path / "urls.txt"
    urls.write_text("".join(f"{row['link']}\n" for row in rows(3)))
    request = ask(urls, out=tmp_path / "other", caption_column=None)
    assert download_table(request).successes == 3
    assert [row["caption"] for row in written(request.out)] == [None] * 3


def test_output_formats(ask: Ask, table: Path, tmp_path: Path) -> None:
    for shape in ("files", "parquet", "dummy"):
        out = tmp_path / shape
        assert download_table(ask(table, out=out, output_format=shape)).successes == 25
        assert not list(out.glob("*.tar"))
        assert len(written(out)) == 25
    files = sorted(path.name for path in (tmp_path / "files" / "00002").iterdir())
    assert files[:3] == ["000020.jpg", "000020.json", "000020.txt"]
    images = [row["jpg"] for row in written(tmp_path / "parquet")]
    assert all(Image.open(io.BytesIO(image)).size == (85, 64) for image in images)
    assert "jpg" not in written(tmp_path / "dummy")[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize_mode": "stretch"}, "--resize-mode: 'stretch' is none of: keep_ratio"),
        ({"encode_quality": 101}, "--encode-quality: 101 is out of range"),
        ({"url_column": "nope"}, "has no column nope; it has: link, alt, licence, score"),
        ({"save_additional_columns": ["score", "key"]}, "has no column key"),
    ],
)
def test_a_wrong_request_names_the_option(
    ask: Ask, table: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        download_table(ask(table, **options))


@pytest.mark.parametrize(("shape", "tars"), [("webdataset", [".tar"]), ("parquet", [])])
def test_what_a_resume_relies_on_is_on_the_disk_before_it(
    tmp_path: Path, shape: str, tars: list[str]
) -> None:
    """A machine that loses power keeps what was synced: shards, each before its totals."""
    synced: list[int] = []
    output = ShardOutput(tmp_path, shape, "jpg", sync=lambda file: synced.append(os.fstat(file).st_ino))
    with ImageSpill(tmp_path / "spill") as spill:
        row: Row = {"key": "000000", "caption": "a cat", "tar_offset": None, "tar_size": None}
        schema = pa.schema(
            [(name, pa.string() if name in ("key", "caption") else pa.int64()) for name in row]
        )
        output.write("00000", [(row, spill.append(b"picture"))], schema, spill, b"{}")
    names = {path.stat().st_ino: path.name for path in tmp_path.iterdir()}
    assert [names[inode] for inode in synced] == [f"00000{end}" for end in (*tars, ".parquet", "_stats.json")]
    assert not list(tmp_path.glob("*.part"))
