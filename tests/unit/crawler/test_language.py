"""Languages: a detector's guess, the job's thresholds, ISO 639-1 or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.errors import ConfigurationError
from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.language import iso_639_1, judge
from pairmill_crawler.ports import Guess
from tests.unit.crawler.wats import crawl, image, page_record, rules, wat_of

TEXTS = {
    "en": "a wooden table in front of the garden house",
    "de": "ein alter Holztisch vor dem Haus mit dem Garten",
    "fr": "une vieille table en bois devant la maison",
    "ru": "старый деревянный стол перед домом",
    "ja": "家の前の古い木のテーブル",
}


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_cld2_knows_common_languages(language: str) -> None:
    guess = detector_named("cld2").detect(TEXTS[language])
    assert guess.code == language
    assert guess.confidence > 0.7


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=100))
def test_cld2_has_an_answer_to_every_text(text: str) -> None:
    assert 0 <= detector_named("cld2").detect(text).confidence <= 1


@pytest.mark.parametrize(
    ("code", "iso"),
    [
        ("en", "en"),
        ("zh-Hant", "zh"),
        ("iw", "he"),
        ("jw", "jv"),
        ("un", None),
        ("xx-Goth", None),
        ("war", None),
    ],
)
def test_codes_are_iso_639_1_or_none(code: str, iso: str | None) -> None:
    assert iso_639_1(code) == iso


def test_a_weak_guess_is_no_language_and_thresholds_may_differ_by_language() -> None:
    strict = rules(min_confidence=0.7, min_confidence_by_language={"hr": 0.5})
    assert judge(Guess("de", 0.7), strict) == ("de", 0.7)
    assert judge(Guess("de", 0.69), strict) == (None, 0.69)
    assert judge(Guess("hr", 0.5), strict) == ("hr", 0.5)
    assert judge(Guess("un", 0.0), rules()) == (None, 0.0)


def test_each_row_names_its_detector() -> None:
    data = wat_of(page_record(image("/a.jpg", TEXTS["en"])))
    (row,) = crawl(data, rules=rules(detector="cld2")).rows
    assert row["language"] == "en"
    assert row["language_detector"].startswith("cld2 ")
    (row,) = crawl(data, rules=rules(detector="none")).rows
    assert (row["language"], row["language_detector"]) == (None, "none")


def test_texts_in_languages_that_were_not_asked_for_are_left_out() -> None:
    links = [image(f"/{code}.jpg", text) for code, text in TEXTS.items()] + [image("/x.jpg", "1234567")]
    wanted = rules(detector="cld2", languages=frozenset({"de", "fr"}))
    found = crawl(wat_of(page_record(*links)), rules=wanted)
    assert [row["language"] for row in found.rows] == ["de", "fr"]
    assert found.counts == {"language_excluded": 4}


def test_an_unknown_detector_is_a_wrong_request() -> None:
    with pytest.raises(ConfigurationError, match="language_detector"):
        crawl(wat_of(page_record(image("/a.jpg"))), rules=rules(detector="crystal ball"))
