"""What a URL asks for, or why nobody is asked."""

from __future__ import annotations

import pytest

from pairmill_downloader.fetching.addresses import AddressPolicy, literal_address
from pairmill_downloader.fetching.targets import Target, parse_target, redirect_target
from pairmill_protos.common.v1.outcome_pb2 import Reason


def target(url: str, base: Target | None = None) -> Target:
    parsed = parse_target(url, base)
    assert isinstance(parsed, Target), parsed
    return parsed


def refusal(url: str, base: Target | None = None) -> Reason.ValueType:
    parsed = parse_target(url, base)
    assert not isinstance(parsed, Target), parsed
    return parsed[0]


def test_parts_of_a_url() -> None:
    parsed = target("HTTPS://www.Example.com/a b/c.jpg?w=1#part")
    assert parsed.url == "https://www.example.com/a%20b/c.jpg?w=1"
    assert (parsed.host, parsed.port, parsed.is_tls) == ("www.example.com", 443, True)
    assert parsed.path == "/a%20b/c.jpg?w=1"
    assert parsed.origin == "https://www.example.com:443"
    assert parsed.domain == "example.com"


def test_sibling_keeps_the_origin() -> None:
    sibling = target("http://[2001:db8::1]:8080/a/b?c").sibling("/robots.txt")
    assert sibling.url == "http://[2001:db8::1]:8080/robots.txt"
    assert sibling.origin == "http://[2001:db8::1]:8080"
    assert sibling.path == "/robots.txt"


def test_relative_reference_is_resolved() -> None:
    base = target("http://a.example/x/y?z")
    assert target("../p.jpg", base).url == "http://a.example/p.jpg"
    assert target("//b.example/p", base).url == "http://b.example/p"


def test_stray_bytes_of_a_redirect_are_escaped() -> None:
    found = redirect_target("/caf\udce9/ü.jpg", target("http://a.example/x"))
    assert isinstance(found, Target)
    assert found.url == "http://a.example/caf%E9/%C3%BC.jpg"


def test_c2_userinfo_is_never_sent() -> None:
    assert target("http://user:secret@a.example/p").url == "http://a.example/p"


@pytest.mark.parametrize(
    "host",
    [
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "[::ffff:7f00:1]",
        "１２７.０.０.１",
        "a@127.0.0.1",
        "127.0.0.1:80",
    ],
)
def test_c2_odd_spelling_gets_the_verdict_of_the_canonical_form(host: str) -> None:
    address = literal_address(target(f"http://{host}/x").host)
    assert address is not None
    assert not AddressPolicy().admits(address)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a.example/b", "gopher://a.example/", "data:,x", "blob:x"]
)
def test_c6_scheme_is_refused(url: str) -> None:
    assert refusal(url) == Reason.REASON_BAD_SCHEME


def test_c6_javascript_is_refused() -> None:
    assert refusal("javascript:alert(1)") == Reason.REASON_BAD_SCHEME


@pytest.mark.parametrize("url", ["", "no url", "http://", "http://a b/", "http://[::1/", "http://a:99999/"])
def test_c8_what_the_standard_does_not_parse_is_refused(url: str) -> None:
    assert refusal(url) == Reason.REASON_BAD_URL


@pytest.mark.parametrize("port", [22, 25, 6379, 9092])
def test_c9_port_is_refused(port: int) -> None:
    assert refusal(f"http://a.example:{port}/") == Reason.REASON_BLOCKED_PORT


@pytest.mark.parametrize("url", ["http://a.example/%0d%0aHost:%20b", "http://a.example/?x=%0D%0Ay"])
def test_c10_escaped_line_break_is_refused(url: str) -> None:
    assert refusal(url) == Reason.REASON_BAD_URL


def test_c10_raw_line_break_does_not_survive_parsing() -> None:
    assert target("http://a.example/x\r\nHost: b").url == "http://a.example/xHost:%20b"
