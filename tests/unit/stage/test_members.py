"""Names of members sort by their number."""

from __future__ import annotations

import pytest

from pairmill.stage.members import member_name


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("downloader-7", "downloader-0007"),
        ("pairmill-downloader-12", "pairmill-downloader-0012"),
        ("crawler-000", "crawler-0000"),
        ("3", "0003"),
        ("laptop", "laptop"),
        ("downloader-12345", "downloader-12345"),
    ],
)
def test_u10_a_number_at_the_end_is_padded(given: str, used: str) -> None:
    assert member_name(given) == used


def test_u10_ten_comes_after_nine() -> None:
    names = [member_name(f"downloader-{number}") for number in range(12)]
    assert names == sorted(names)
