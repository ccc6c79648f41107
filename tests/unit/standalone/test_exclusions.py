from __future__ import annotations

from pathlib import Path

import pytest

from pairmill.errors import ConfigurationError
from pairmill.ids import to_hex, url_id
from pairmill_gateway.exclusions import exclusion_ref
from pairmill_standalone.exclusions import read_exclusions

PICTURE = "http://a.example/picture.jpg"


def test_urls_and_ids_are_listed_sorted_and_once(tmp_path: Path) -> None:
    other = url_id("http://b.example/")
    file = tmp_path / "out"
    file.write_text(
        f"# taken down\n\n  HTTP://A.example:80/x/../picture.jpg#top\n{PICTURE}\n{to_hex(other)}\n"
    )
    listed = read_exclusions(file)
    assert listed == b"".join(sorted([url_id(PICTURE), other]))
    assert exclusion_ref(listed).rows == 2


@pytest.mark.parametrize("line", ["no url", "ftp://a.example/x", "0123", "http://"])
def test_a_line_that_is_neither_is_refused_by_number(line: str, tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text(f"{PICTURE}\n{line}\n")
    with pytest.raises(ConfigurationError, match="line 2"):
        read_exclusions(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--exclude"):
        read_exclusions(tmp_path / "none")


def test_of_many_bad_lines_the_first_are_shown(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("bad\n" * 50)
    with pytest.raises(ConfigurationError, match="40 more lines"):
        read_exclusions(file)
