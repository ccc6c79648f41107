"""Identity of samples and addresses (U1) and the buckets of hosts (U6)."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmill.ids import BUCKETS, bucket_of, from_hex, sample_id, to_hex, url_id

GOLDEN_SAMPLE = "59588392493e0917eb65af0ba2047bc1"
GOLDEN_URL = "0282c9f008d45c74d89c5d879941cd58"
GOLDEN_BUCKET = 414
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


def test_u1_an_id_is_made_as_the_rule_says() -> None:
    url, text = "https://example.org/a.jpg", "ein Bild"
    raw = url.encode()
    data = struct.pack("<I", len(raw)) + raw + text.encode()
    expected = hashlib.blake2b(data, digest_size=16, person=b"pairmill-id-v1").digest()
    assert sample_id(url, text) == expected
    assert url_id(url) == sample_id(url, "")


def test_u1_ids_stay_what_they_are() -> None:
    """These values stand in datasets: whoever changes them raises ID_VERSION."""
    assert to_hex(sample_id("https://example.org/a.jpg", "a cat")) == GOLDEN_SAMPLE
    assert to_hex(url_id("https://example.org/a.jpg")) == GOLDEN_URL
    assert bucket_of("example.org") == GOLDEN_BUCKET


@given(url=TEXT, text=TEXT, moved=st.integers(1, 5))
def test_u1_where_the_url_ends_matters(url: str, text: str, moved: int) -> None:
    both = url + text
    other = both[: len(url) + moved], both[len(url) + moved :]
    if other != (url, text):
        assert sample_id(*other) != sample_id(url, text)


@given(st.binary(min_size=16, max_size=16))
def test_hex_and_back(identifier: bytes) -> None:
    assert from_hex(to_hex(identifier)) == identifier
    assert to_hex(identifier) == to_hex(identifier).lower()


@pytest.mark.parametrize("text", ["", "ab", "zz" * 16, "ab" * 17])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_hex(text)


@given(TEXT)
def test_u6_a_bucket_is_the_first_twelve_bits(domain: str) -> None:
    head = hashlib.blake2b(domain.encode(), digest_size=16, person=b"pairmill-id-v1").digest()
    assert bucket_of(domain) == int.from_bytes(head[:2], "big") >> 4 < BUCKETS
