"""The order of candidates does not depend on how they came, nor on how much fits into memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairmill.units import range_of_bucket
from pairmill_crawler.candidate_file import CandidateFile
from pairmill_crawler.language import Language
from pairmill_crawler.rows import PageColumns, Rows, WatColumns
from pairmill_crawler.urls import ImageUrl

PAGE = PageColumns(
    licence=None, consent=None, page_url="http://p.test/", wat_offset=0, warc_file=None, warc_offset=-1
)


def rows_of(numbers: range, *, hosts: int = 311) -> pa.Table:
    rows = Rows(WatColumns(crawl=None, wat_file="w", wat_index=0, language_detector="none"))
    for number in numbers:
        host = f"h{number % hosts}.test"
        rows.add(
            ImageUrl(f"http://{host}/{number % 1000}", host), f"text {number}", Language(None, None), number
        )
    rows.end_page(PAGE)
    return rows.take()


@pytest.mark.parametrize("ranges", [1, 7, 4096])
def test_rows_are_sorted_and_complete_whatever_the_order_and_the_memory(tmp_path: Path, ranges: int) -> None:
    blocks = [rows_of(range(start, start + 500)) for start in range(0, 5000, 500)]
    tables = []
    for name, order, rows in (("a", blocks, 10**6), ("b", blocks[::-1], 900)):
        file = CandidateFile(tmp_path, ranges, max_rows=rows)
        for block in order:
            file.add(block)
        assert file.rows == 5000
        file.write(tmp_path / name)
        tables.append(pq.read_table(tmp_path / name))
    assert tables[0].equals(tables[1])
    keys = tables[0].select(["bucket", "url_id", "sample_id"]).to_pylist()
    assert [tuple(key.values()) for key in keys] == sorted(tuple(key.values()) for key in keys)
    assert set(tables[0].column("link_index").to_pylist()) == set(range(5000))
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".arrow"] == []
    with pq.ParquetFile(tmp_path / "a") as written:
        for group in range(written.num_row_groups):
            buckets = written.read_row_group(group, ["bucket"]).column("bucket").to_numpy()
            assert len({range_of_bucket(int(bucket), ranges) for bucket in buckets}) == 1


def test_a_very_large_domain_is_sorted_piece_by_piece(tmp_path: Path) -> None:
    """All rows lie in one bucket, and in several runs on disk."""
    file = CandidateFile(tmp_path, 8, max_rows=5000)
    for start in range(0, 40_000, 4000):
        file.add(rows_of(range(start, start + 4000), hosts=1))
    file.write(tmp_path / "out")
    keys = pq.read_table(tmp_path / "out", columns=["url_id", "sample_id", "link_index"]).to_pylist()
    assert len({key["link_index"] for key in keys}) == 40_000
    pairs = [(key["url_id"], key["sample_id"]) for key in keys]
    assert pairs == sorted(pairs)
