"""Addresses of images: resolved as browsers do, refused where no browser or fetcher should go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.reasons import reason_name
from pairmill_crawler.urls import ImageUrl, document_base, image_url
from tests.unit.crawler.wats import PAGE, crawl, image, page_record, wat_of


def resolved(url: str, *, base: str = "", page: str = PAGE, most: int = 2083) -> str:
    """The address, or the reason why there is none in brackets."""
    found = image_url(url, document_base(page, base), most)
    return found.url if isinstance(found, ImageUrl) else f"[{reason_name(found[0])}]"


@pytest.mark.parametrize(
    ("base", "url", "expected"),
    [
        ("", "a.jpg", "http://www.page.test/dir/a.jpg"),
        ("", "../../a.jpg", "http://www.page.test/a.jpg"),
        ("", "//cdn.test/a.jpg", "http://cdn.test/a.jpg"),
        ("", "?x=1", "http://www.page.test/dir/page.html?x=1"),
        ("", "a.jpg#top", "http://www.page.test/dir/a.jpg"),
        ("sub/", "a.jpg", "http://www.page.test/dir/sub/a.jpg"),
        ("https://other.test/x/", "../a.jpg", "https://other.test/a.jpg"),
        ("//other.test", "a.jpg", "http://other.test/a.jpg"),
        ("http://[bad", "a.jpg", "http://www.page.test/dir/a.jpg"),
        ("javascript:alert(1)", "a.jpg", "http://www.page.test/dir/a.jpg"),
        ("data:text/plain,x", "a.jpg", "http://www.page.test/dir/a.jpg"),
        ("ftp://other.test/x/", "a.jpg", "[bad_scheme]"),
        ("mailto:x@y.test", "a.jpg", "[bad_url]"),
        ("mailto:x@y.test", "http://other.test/a.jpg", "http://other.test/a.jpg"),
    ],
)
def test_b12_relative_addresses_follow_page_and_base(base: str, url: str, expected: str) -> None:
    assert resolved(url, base=base) == expected


@pytest.mark.parametrize("page", ["", "no address", "/foo/bar"])
def test_b12_a_page_without_an_address_still_has_absolute_links(page: str) -> None:
    assert resolved("http://other.test/a.jpg", page=page) == "http://other.test/a.jpg"
    assert resolved("a.jpg", page=page) == "[bad_url]"


@pytest.mark.parametrize(
    "spelling",
    [
        "http://127.0.0.1/a.jpg", "http://2130706433/a.jpg", "http://0x7f.1/a.jpg", "http://0177.0.0.1/a.jpg",
        "http://127.1/a.jpg", "http://１２７.0.0.1/a.jpg",
    ],
)  # fmt: skip
def test_c2_odd_spellings_of_an_address_are_one_address(spelling: str) -> None:
    assert resolved(spelling) == "http://127.0.0.1/a.jpg"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://files.test/a.jpg", "[bad_scheme]"),
        ("FILE:///etc/passwd", "[bad_scheme]"),
        ("gopher://x.test/", "[bad_scheme]"),
        ("javascript:alert(1)", "[bad_scheme]"),
        ("blob:http://x.test/4711", "[bad_scheme]"),
        ("about:blank", "[bad_scheme]"),
        ("data:image/gif;base64,R0lGOD", "[data_url]"),
        (" DATA:image/png;base64,", "[data_url]"),
        ("da\tta:image/png;base64,", "[data_url]"),
    ],
)
def test_c6_other_schemes_are_refused_and_inline_images_counted_apart(url: str, expected: str) -> None:
    assert resolved(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://WWW.Page.TEST:80/a.jpg", "http://www.page.test/a.jpg"),
        ("http://www.page.test/a b.jpg", "http://www.page.test/a%20b.jpg"),
        ("http:\\\\www.page.test\\a.jpg", "http://www.page.test/a.jpg"),
        (" \nhttp://www.page.test/i\tmg.jpg ", "http://www.page.test/img.jpg"),
        ("http://bücher.test/größe.jpg", "http://xn--bcher-kva.test/gr%C3%B6%C3%9Fe.jpg"),
        ("http://a@www.page.test/x.jpg", "http://a@www.page.test/x.jpg"),
        ("http://www.page.test./a.jpg", "http://www.page.test./a.jpg"),
        ("http://im g.test/a.jpg", "[bad_url]"),
        ("http://x.test:99999/a.jpg", "[bad_url]"),
        ("http://%00.test/", "[bad_url]"),
        ("", "[bad_url]"),
        ("http://x.test/" + "a" * 3473, "[url_too_long]"),
        ("x" * 100_000, "[url_too_long]"),
    ],
)
def test_c8_addresses_are_written_in_one_way(url: str, expected: str) -> None:
    assert resolved(url) == expected


@pytest.mark.parametrize("port", [22, 25, 6379])
def test_c9_ports_that_no_browser_fetches_from_are_refused(port: int) -> None:
    assert resolved(f"http://x.test:{port}/a.jpg") == "[blocked_port]"
    assert resolved("http://x.test:8080/a.jpg") == "http://x.test:8080/a.jpg"


@pytest.mark.parametrize("hidden", ["a\r\nHost: evil", "a%0d%0aHost:%20evil", "a%0Ab", "a\nb"])
def test_c10_line_breaks_within_an_address_are_refused(hidden: str) -> None:
    assert resolved(f"http://x.test/{hidden}.jpg") == "[bad_url]"


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=80), st.text(max_size=30), st.text(max_size=30))
def test_c8_whatever_the_address_it_is_clean_or_refused(url: str, base: str, page: str) -> None:
    found = image_url(url, document_base(page, base), 200)
    if isinstance(found, ImageUrl):
        assert found.url.startswith(("http://", "https://"))
        assert found.url.isascii()
        assert len(found.url) <= 200
        assert not set("\r\n\t\x00 #") & set(found.url)
        assert image_url(found.url, document_base("", ""), 200) == found


def test_links_are_placed_by_registrable_domain() -> None:
    record = page_record(image("http://img.shop.co.uk/1.jpg"), image("http://a.github.io/2.jpg"))
    rows = crawl(wat_of(record)).rows
    assert [(row["host"], row["domain"]) for row in rows] == [
        ("img.shop.co.uk", "shop.co.uk"),
        ("a.github.io", "a.github.io"),
    ]


def test_a_text_is_kept_with_its_own_address_whatever_is_dropped_between() -> None:
    record = page_record(
        image("/1.jpg", "one one one"),
        image("ftp://x.test/2.jpg", "two two"),
        image("/3.jpg", ""),
        {"path": "A@/href", "url": "/x"},
        image("/4.jpg", "four four"),
    )
    found = crawl(wat_of(record))
    assert [(row["url"], row["text"], row["link_index"]) for row in found.rows] == [
        ("http://www.page.test/1.jpg", "one one one", 0),
        ("http://www.page.test/4.jpg", "four four", 4),
    ]
    assert found.counts == {"bad_scheme": 1, "no_alt": 1, "not_image_link": 1}
