"""TDM reservations."""

from __future__ import annotations

import pytest

from pairmill_downloader.fetching.tdm import header_reserves, parse_tdmrep


@pytest.mark.parametrize(
    ("values", "reserves"), [(["1"], True), ([" 1 "], True), (["0", "1"], True), (["0"], False), ([], False)]
)
def test_d10_header(values: list[str], reserves: bool) -> None:
    assert header_reserves(values) is reserves


def test_d10_location_reserves_what_lies_below() -> None:
    found = parse_tdmrep(b'[{"location": "/art/", "tdm-reservation": 1, "tdm-policy": "https://x/"}]')
    assert found.reserves("/art/a.jpg?x=1")
    assert not found.reserves("/img/a.jpg")


def test_longest_location_decides() -> None:
    found = parse_tdmrep(
        b'[{"location": "/", "tdm-reservation": 1}, {"location": "/open/", "tdm-reservation": 0}]'
    )
    assert found.reserves("/a.jpg")
    assert not found.reserves("/open/a.jpg")


def test_patterns_and_relative_locations_are_understood() -> None:
    found = parse_tdmrep(
        b"\xef\xbb\xbf"
        b'[{"location": "*.jpg$", "tdm-reservation": 1}, {"location": "b/", "tdm-reservation": 1}]'
    )
    assert found.reserves("/x/y.jpg")
    assert found.reserves("/b/c.png")
    assert not found.reserves("/x/y.jpg?z")


def test_equal_locations_reserve() -> None:
    found = parse_tdmrep(
        b'[{"location": "/a", "tdm-reservation": 1}, {"location": "/a", "tdm-reservation": 0}]'
    )
    assert found.reserves("/a")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[1, null, []]",
        b'[{"location": 1, "tdm-reservation": 1}]',
        b'[{"location": "", "tdm-reservation": 1}]',
        b'[{"tdm-reservation": 1}]',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_what_is_no_such_file_reserves_nothing(body: bytes) -> None:
    assert not parse_tdmrep(body).reserves("/a.jpg")
