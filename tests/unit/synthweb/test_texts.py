"""Hostile texts and what repair makes of them."""

from __future__ import annotations

import json
import unicodedata

import pytest

from pairmill_crawler.text import repair
from pairmill_synthweb.texts import SPELLINGS, Alt, spelled

CLEAN = Alt(raw="a red circle on blue", text="a red circle on blue", language="en", group=3)


@pytest.mark.parametrize("name", sorted(SPELLINGS))
def test_b9_the_expected_text_is_what_a_repair_gives(name: str) -> None:
    alt = spelled(name, CLEAN)
    assert repair(alt.raw) == alt.text
    assert unicodedata.is_normalized("NFC", alt.text)
    assert alt.group == CLEAN.group
    assert "circle" in alt.text


@pytest.mark.parametrize("name", sorted(SPELLINGS))
def test_b9_the_raw_text_can_stand_in_json(name: str) -> None:
    raw = spelled(name, CLEAN).raw
    assert json.loads(json.dumps(raw)) == raw or name == "split_emoji"
