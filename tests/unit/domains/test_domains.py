from __future__ import annotations

import pytest

from pairmill.domains import registrable_domain


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("example.com.", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("someone.github.io", "someone.github.io"),
        ("www.someone.github.io", "someone.github.io"),
        ("github.io", "github.io"),
        ("co.uk", "co.uk"),
        ("xn--bcher-kva.example.de", "example.de"),
        ("www.xn--e1afmkfd.xn--p1ai", "xn--e1afmkfd.xn--p1ai"),
        ("foo_bar.example.org", "example.org"),
        ("city.kawasaki.jp", "city.kawasaki.jp"),
        ("www.pairmill.invalid", "pairmill.invalid"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("a..b", ".b"),
        ("", ""),
        (".", ""),
    ],
)
def test_the_registrable_domain_of_a_host(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain


def test_a_registrable_domain_stands_for_itself() -> None:
    for host in ("a.b.example.co.uk", "x.y.blogspot.com", "1.2.3.4"):
        domain = registrable_domain(host)
        assert registrable_domain(domain) == domain
