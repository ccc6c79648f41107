"""Which addresses may be dialled (C1)."""

from __future__ import annotations

import pytest

from pairmill_downloader.fetching.addresses import AddressPolicy, literal_address
from pairmill_downloader.fetching.config import Network

BLOCKED = (
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.9",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.7.20",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.4",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "2a00:1450::5efe:a00:1",
    "3fff::1",
    "fc00::1",
    "fd00::7",
    "fe80::1",
    "fe80::1%eth0",
    "2a00:1450:4001:82a::200e%eth0",
    "fec0::1",
    "ff02::1",
)
PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.169.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82a::200e",
)


@pytest.mark.parametrize("address", BLOCKED)
def test_c1_address_that_is_not_public_is_refused(address: str) -> None:
    assert not AddressPolicy().admits(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_admitted(address: str) -> None:
    assert AddressPolicy().admits(address)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4.5", "0x7f.1", "::g"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not AddressPolicy((Network("0.0.0.0/0"), Network("::/0"))).admits(text)


def test_allowed_network_admits_its_addresses_and_no_others() -> None:
    policy = AddressPolicy((Network("127.0.0.0/8"), Network("fd00::/16")))
    assert policy.admits("127.0.0.1")
    assert policy.admits("fd00::7")
    assert not policy.admits("10.0.0.1")
    assert not policy.admits("::ffff:127.0.0.1")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("[fe80::1]", "fe80::1"),
        ("a1", None),
        ("www.example.com", None),
        ("1.example", None),
    ],
)
def test_literal_address_of_a_host(host: str, address: str | None) -> None:
    assert literal_address(host) == address
