"""robots.txt (D8)."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from pairmill_downloader.fetching.robots import MAX_BYTES, parse_robots
from tests.unit.downloader.fetching.spec_cases import SpecCase, read_cases

TOKEN = "pairmill"


def allows(text: str | bytes, path: str, token: str = TOKEN) -> bool:
    body = text.encode() if isinstance(text, str) else text
    return parse_robots(body, token).allows(path)


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("", "/a", True),
        ("User-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: pairmill\nDisallow: /\n\nUser-agent: *\nDisallow:", "/a", False),
        ("User-agent: pairmill\nDisallow:\n\nUser-agent: *\nDisallow: /", "/a", True),
        ("User-agent: PAIRMILL/1.0\nDisallow: /", "/a", False),
        ("User-agent: pairmillbot\nDisallow: /", "/a", True),
        ("User-agent: a\nUser-agent: pairmill\nDisallow: /", "/a", False),
        ("User-agent: pairmill\nAllow: /\nUser-agent: b\nDisallow: /", "/a", True),
        ("User-agent: pairmill\nDisallow: /x\n\nUser-agent: pairmill\nDisallow: /y", "/y", False),
        ("User-agent: *\nDisallow: /p\nAllow: /p/q", "/p/q/r", True),
        ("User-agent: *\nDisallow: /p\nAllow: /p", "/p", True),
        ("User-agent: *\rDisallow: /\r", "/a", False),
        ("user-agent : *\ndisallow : / # all of it", "/a", False),
        ("User-agent: *\nDisallow /a", "/a", False),
        ("Useragent: *\nDissallow: /a", "/a", False),
        ("Disallow: /", "/a", True),
        ("User-agent: *\nSitemap: http://x/\nDisallow: /", "/a", False),
        ("User-agent: *\nDisallow: /\0", "/a", False),
        ("<html><body>User-agent: *</body></html>", "/a", True),
        ("User-agent: *\nDisallow: /%7Euser/", "/~user/a", False),
        ("User-agent: *\nDisallow: /~user/", "/%7euser/a", False),
        ("User-agent: *\nDisallow: /ü", "/%C3%BC.jpg", False),
    ],
)
def test_d8_rules(text: str, path: str, allowed: bool) -> None:
    assert allows(text, path) is allowed


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"])
def test_d8_byte_order_mark_is_passed_over(mark: bytes) -> None:
    assert not allows(mark + b"User-agent: *\nDisallow: /", "/a")


def test_d8_sixteen_bit_text_is_read() -> None:
    assert not allows("User-agent: *\nDisallow: /".encode("utf-16"), "/a")


def test_d8_what_lies_behind_the_cap_is_not_read() -> None:
    filler = b"#" * 99 + b"\n"
    body = filler * (MAX_BYTES // 100) + b"User-agent: *\nDisallow: /\n"
    assert not allows(body[: MAX_BYTES - 100] + b"\nUser-agent: *\nDisallow: /\n", "/a")
    assert allows(body + filler, "/a")


def test_crawl_delay_is_the_longest_of_our_group() -> None:
    text = b"User-agent: *\nCrawl-delay: 9\n\nUser-agent: pairmill\nCrawl-delay: 1.5\nCrawl-delay: x\n"
    assert parse_robots(text, TOKEN).crawl_delay_seconds == 1.5
    assert parse_robots(text, "other").crawl_delay_seconds == 9
    assert parse_robots(b"User-agent: *\nCrawl-delay: inf\n", TOKEN).crawl_delay_seconds is None


def test_usage_preferences_belong_to_groups_and_paths() -> None:
    text = (
        b"User-agent: *\nContent-Usage: train-ai=n\nContent-Usage: /open/ train-ai=y\nAllow: /\n"
        b"\nUser-agent: other\nContent-Signal: search=yes, ai-train=yes\n"
    )
    ours, others = parse_robots(text, TOKEN), parse_robots(text, "other")
    assert ours.forbids_training("/img/a.jpg")
    assert not ours.forbids_training("/open/a.jpg")
    assert not others.forbids_training("/img/a.jpg")


def test_memory_is_for_our_rules_only() -> None:
    others = b"".join(b"User-agent: bot%d\nDisallow: /%d\n" % (n, n) for n in range(2000))
    assert parse_robots(others + b"User-agent: pairmill\nDisallow: /x\n", TOKEN).weight < 2000


@given(st.binary(max_size=400))
def test_d8_never_raises(body: bytes) -> None:
    parse_robots(body, TOKEN).allows("/a/b?c")


@given(st.lists(st.sampled_from(["User-agent: *", "User-agent: pairmill", "User-agent: x"]), max_size=3))
def test_without_rules_all_is_allowed(lines: list[str]) -> None:
    assert allows("\n".join(lines), "/a")


@pytest.mark.shared_data
def test_d8_published_cases_end_as_published(shared_data: Path) -> None:
    cases = [
        case for path in sorted((shared_data / "robots" / "spec-test").iterdir()) for case in read_cases(path)
    ]
    assert len(cases) > 150
    assert [case for case in cases if _outcome(case) is not case.allowed] == []


def _outcome(case: SpecCase) -> bool:
    # Taken apart by hand: the cases hold addresses that a URL parser would change.
    rest = case.url.partition("://")[2]
    return parse_robots(case.robots, case.agent).allows(rest[rest.index("/") :] if "/" in rest else "/")


@pytest.mark.shared_data
def test_d8_real_files_are_read_as_another_parser_reads_them(shared_data: Path) -> None:
    paths = (
        "/",
        "/images/a.jpg",
        "/media/x/y.png?w=1",
        "/search?q=1",
        "/wp-content/uploads/a.webp",
        "/admin/",
    )
    different = []
    for file in sorted((shared_data / "robots" / "real").iterdir()):
        body = file.read_bytes()
        theirs = Protego.parse(body.decode("utf-8-sig", "replace"))
        for path in paths:
            if parse_robots(body, TOKEN).allows(path) != theirs.can_fetch(f"http://x.example{path}", TOKEN):
                different.append((file.name, path))  # noqa: PERF401 - the nesting reads better
    assert different == []
