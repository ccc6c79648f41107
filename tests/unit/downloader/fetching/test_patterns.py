"""Path patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmill_downloader.fetching.patterns import Pattern, normal, unescaped


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/", "/anything", True),
        ("/fish", "/fish.html", True),
        ("/fish", "/Fish.asp", False),
        ("/fish*", "/fishheads/yummy.html?id=1", True),
        ("/*.php$", "/folder/filename.php", True),
        ("/*.php$", "/filename.php?parameters", False),
        ("/a$", "/a", True),
        ("/a$", "/ab", False),
        ("*", "/x", True),
        ("*$", "/x", True),
        ("/a*a$", "/a", False),
        ("/a*a$", "/aa", True),
        ("fish", "/fish", False),
        ("", "/x", True),
        ("$", "/x", False),
    ],
)
def test_pattern(pattern: str, path: str, matches: bool) -> None:
    assert Pattern.of(pattern).matches(path) is matches


@given(st.text("ab*/$", max_size=12), st.text("ab/$", max_size=12))
def test_matches_what_the_expression_matches(pattern: str, path: str) -> None:
    ends = pattern.endswith("$")
    body = ".*".join(map(re.escape, pattern.removesuffix("$").split("*")))
    expected = re.match(body + (r"\Z" if ends else ""), path) is not None
    assert Pattern.of(pattern).matches(path) is expected


def test_takes_no_longer_for_many_stars() -> None:
    assert not Pattern.of("/" + "*a" * 5000 + "b$").matches("/" + "a" * 20_000)


def test_normal_form_escapes_and_raises_case() -> None:
    assert normal("/ü/%c3%bc") == "/%C3%BC/%C3%BC"
    assert normal("/\ud800") == "/%3F"


def test_needless_escapes_are_undone() -> None:
    assert unescaped("/%7Euser/%2F%41") == "/~user/%2FA"
