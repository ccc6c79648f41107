"""The repair of texts: known answers, and what holds for every text (B9)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill_crawler.text import is_plain, repair, repair_fully
from pairmill_synthweb.texts import SPELLINGS
from tests.unit.crawler.wats import crawl, image, page_record, rules, wat_of

ANY_TEXT = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\x00\x07\x0b\x1f\x85\xa0\xc3\xe2\u20ac\u2122\u200f\u202e\u2019\ufb01\uff21\ufeff\ufffe&;<#x "
        ),
        st.sampled_from("\ud83d\ude00\u0301\u3000\n\r\t"),
    ),
    max_size=60,
)


@pytest.mark.parametrize("name", sorted(SPELLINGS))
def test_b9_what_a_hostile_web_did_to_a_text_is_undone(name: str) -> None:
    raw, repaired = SPELLINGS[name]("a red circle beside three dogs")
    assert repair(raw) == repaired


@pytest.mark.parametrize(
    ("raw", "repaired"),
    [
        ("", ""),
        (" \t\u00a0\u3000\r\n", ""),
        ("\x00\x07\x7f\ufeff", ""),
        ("caf&amp;eacute;", "café"),
        ("1 &lt; 2", "1 < 2"),
        ("<i>a &amp; b</i>", "<i>a &amp; b</i>"),
        ("one\u2028two\x85three", "one two…three"),
        ("voilÃ\xa0 le travail", "voilà le travail"),
        ("left \u202eright\u202c", "left right"),
        ("&nbsp; &nbsp;", ""),
        ("\ufffe\ufdd0\U0001ffff", ""),
        ("Straße in Köln", "Straße in Köln"),
    ],
)
def test_b9_known_answers(raw: str, repaired: str) -> None:
    assert repair(raw) == repaired


@settings(deadline=None, max_examples=400)
@given(ANY_TEXT)
def test_b9_every_repaired_text_can_be_stored_and_shown(raw: str) -> None:
    text = repair(raw)
    text.encode()
    assert unicodedata.is_normalized("NFC", text)
    assert text == " ".join(text.split())
    assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cs")]


@settings(deadline=None, max_examples=400)
@given(ANY_TEXT)
def test_the_repair_has_nothing_left_to_do_afterwards(raw: str) -> None:
    text = repair(raw)
    assert repair(text) == text


@settings(deadline=None, max_examples=400)
@given(ANY_TEXT)
def test_the_short_way_for_plain_texts_gives_what_the_whole_repair_gives(raw: str) -> None:
    assert repair_fully(raw) == repair(raw)
    if is_plain(raw):
        assert repair_fully(raw) == " ".join(raw.split())


def test_b9_a_blank_that_was_half_of_a_letter_is_seen_as_one() -> None:
    assert repair("\u00c2\r0") == repair_fully("\u00c2\r0") == repair("\u00c2 0")


def test_b9_limits_hold_for_the_repaired_text() -> None:
    links = [
        image("/short.jpg", "  ab&amp;\x00 "),
        image("/fits.jpg", "&amp;" * 10),
        image("/long.jpg", "x" * 11),
        image("/blank.jpg", "&nbsp;"),
        image("/huge.jpg", "y" * 1_000_000),
        image("/padded.jpg", " " * 1000 + "padded" + " " * 1000),
    ]
    found = crawl(
        wat_of(page_record(*links)),
        rules=rules(min_text_characters=4, max_text_characters=10, max_record_bytes=1 << 24),
    )
    assert [text for _, text in found.pairs] == ["&" * 10, "padded"]
    assert found.counts == {"alt_too_short": 1, "alt_too_long": 2, "no_alt": 1}
