"""Which WATs of a crawl are drawn."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pairmill.errors import ConfigurationError
from pairmill_standalone.crawl_lists import draw, wats_of_crawl

PATHS = [f"crawl-data/CC-MAIN-2024-10/segments/{number}.warc.wat.gz" for number in range(50)]


def test_the_same_seed_draws_the_same_in_the_order_of_the_list() -> None:
    drawn = draw(PATHS, 7, seed=3)
    assert drawn == draw(PATHS, 7, seed=3)
    assert drawn == sorted(drawn, key=PATHS.index)
    assert drawn != draw(PATHS, 7, seed=4)


def test_a_larger_count_only_adds_paths() -> None:
    assert set(draw(PATHS, 7, seed=3)) < set(draw(PATHS, 20, seed=3))


@pytest.mark.parametrize("packed", [False, True])
def test_a_list_in_a_file_is_read_packed_or_not(tmp_path: Path, packed: bool) -> None:
    data = "".join(f"{path}\n" for path in PATHS).encode()
    listed = tmp_path / "wat.paths"
    listed.write_bytes(gzip.compress(data) if packed else data)
    drawn = wats_of_crawl("", 50, 0, paths=str(listed), base="https://archive.example/")
    assert drawn == [f"https://archive.example/{path}" for path in PATHS]
    here = wats_of_crawl("", 1, 0, paths=str(listed), base=str(tmp_path))
    assert here[0].startswith(f"{tmp_path}/crawl-data/")


@pytest.mark.parametrize(
    ("crawl", "count", "content", "message"),
    [
        ("", 1, None, "--crawl"),
        ("CC-MAIN-2024-10", 3, "a\nb\n", "3 is not from 1 to 2"),
        ("CC-MAIN-2024-10", 1, b"\x1f\x8bnot really", "cannot be had"),
        ("CC-MAIN-2024-10", 1, b"\xff\xfe\xfa", "cannot be had"),
    ],
    ids=["no crawl", "too many", "broken gzip", "no text"],
)
def test_what_cannot_be_drawn_is_a_wrong_request(
    tmp_path: Path, crawl: str, count: int, content: str | bytes | None, message: str
) -> None:
    listed = tmp_path / "list"
    if content is not None:
        listed.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigurationError, match=message):
        wats_of_crawl(crawl, count, 0, paths=str(listed) if content is not None else "")


def test_a_list_that_is_not_there_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--paths FILE_OR_URL"):
        wats_of_crawl("X", 1, 0, paths=str(tmp_path / "absent"))
