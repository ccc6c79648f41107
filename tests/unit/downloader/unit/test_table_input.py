"""A table that cannot be read says so; whatever else it holds is a value of a row."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairmill.errors import ConfigurationError
from pairmill_downloader.table_input import BATCH_ROWS, count_rows, input_files, rows_of, shards_of

LINES = b"".join(b'{"link": "http://a.test/%d", "alt": "%d"}\n' % (n, n * 7919) for n in range(3000))
CELLS = b"link,alt\n" + b"".join(b"http://a.test/%d,%d\n" % (n, n * 7919) for n in range(3000))


def values_of(table: Path, rows: int = 10**6) -> list[dict[str, Any]]:
    files = input_files([table])
    count_rows(files)
    return [row for shard in shards_of(rows_of(files, ["link", "alt"]), rows) for row in shard.to_pylist()]


def without_its_end(data: bytes) -> bytes:
    whole = gzip.compress(data)
    return whole[: len(whole) // 2]


def parquet_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def no_utf8() -> bytes:
    raw = pa.array([b"http://a.test/\xff"], pa.binary())
    link = pa.Array.from_buffers(pa.string(), 1, raw.buffers())
    return parquet_of(pa.table({"link": link, "alt": ["x"]}))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.jsonl.gz", without_its_end(LINES)),
        ("cut.csv.gz", without_its_end(CELLS)),
        ("cut.json.gz", without_its_end(b"[" + LINES.replace(b"\n", b",") + b"{}]")),
        ("deep.jsonl", b'{"link": ' + b"[" * 10**5 + b"]" * 10**5 + b', "alt": 1}\n'),
        ("deep.json", b"[" * 10**5),
        ("head.csv", b"link,alt," + b"x" * 2**18 + b"\na,b,c\n"),
        ("empty.parquet", b""),
        ("cut.parquet", b"PAR1" + bytes(100) + b"PAR1"),
        ("text.parquet", no_utf8()),
        (
            "twice.parquet",
            parquet_of(pa.Table.from_arrays([pa.array(["a"])] * 3, names=["link", "link", "alt"])),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=f"{name} cannot be read"):
        values_of(path)


def test_a_number_that_no_column_holds_is_told_as_text(tmp_path: Path) -> None:
    path = tmp_path / "wide.jsonl"
    path.write_text(json.dumps({"link": "http://a.test/", "alt": 2**70}))
    assert [row["alt"] for row in values_of(path)] == [str(2**70)]


def test_a_column_may_change_its_type_within_a_shard(tmp_path: Path) -> None:
    lines = tmp_path / "links.jsonl"
    alts: list[Any] = [*range(BATCH_ROWS), "a text", None]
    lines.write_text("".join(json.dumps({"link": "http://a.test/", "alt": alt}) + "\n" for alt in alts))
    assert [row["alt"] for row in values_of(lines)][-3:] == [str(BATCH_ROWS - 1), "a text", None]
    folder = tmp_path / "parts"
    folder.mkdir()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for number, alt in enumerate((pa.array(["x"]), pa.array([at]), pa.array(["y"]).dictionary_encode())):
        (folder / f"{number}.parquet").write_bytes(
            parquet_of(pa.table({"link": ["http://a.test/"], "alt": alt}))
        )
    assert [row["alt"] for row in values_of(folder)] == ["x", f'"{at}"', "y"]
