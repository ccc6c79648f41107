"""The page, its files, and pictures."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from pairmill_explorer.http.pages import read_pages
from tests.fakes.explorer_desks import JPEG
from tests.fakes.explorer_served import Explored

PAGES = read_pages()
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
IMAGES = "/api/v1/images/demo"


def test_every_file_of_the_page_is_served_with_its_kind_once(laptop: Explored) -> None:
    assert len(PAGES) > 5
    for path, page in PAGES.items():
        answer = laptop.ask("GET", path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, page.content_type), path
        assert answer.body == page.data
        held = laptop.ask("GET", path, headers={"If-None-Match": answer.headers["Etag"]})
        assert (held.status, held.body) == (304, b""), path
        packed = laptop.ask("GET", path, headers={"Accept-Encoding": "gzip"})
        assert packed.body == page.data


def test_the_kinds_are_those_that_browsers_insist_on() -> None:
    kinds = {path.rpartition(".")[2]: page.content_type for path, page in PAGES.items()}
    assert kinds["/"] == "text/html; charset=utf-8"
    assert kinds["js"] == "text/javascript; charset=utf-8"
    assert kinds["css"] == "text/css; charset=utf-8"
    assert kinds["svg"] == "image/svg+xml; charset=utf-8"


def test_the_page_is_small() -> None:
    sent = sum(len(page.packed or page.data) for page in PAGES.values())
    assert sent < 200_000


@pytest.mark.parametrize("path", ["/", "/static/icon.svg", "/nothing", "/indices-list", f"{IMAGES}/1"])
def test_h5_every_answer_says_what_a_browser_may_do_with_it(laptop: Explored, path: str) -> None:
    headers = laptop.ask("GET", path).headers
    assert headers["Content-Security-Policy"] == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Server"] == "pairmill"


def test_a_picture_is_kept_by_browsers_for_a_while(laptop: Explored) -> None:
    answer = laptop.ask("GET", f"{IMAGES}/1?side=320")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "image/jpeg", JPEG)
    assert answer.headers["Cache-Control"] == "private, max-age=3600"
    held = laptop.ask("GET", f"{IMAGES}/1?side=320", headers={"If-None-Match": answer.headers["Etag"]})
    assert (held.status, held.body) == (304, b"")


def test_h7_a_picture_that_is_not_there_is_not_found(laptop: Explored) -> None:
    for path in (f"{IMAGES}/3", "/api/v1/images/other/1"):
        answer = laptop.ask("GET", path)
        assert (answer.status, answer.json["code"]) == (404, "NOT_FOUND")


def test_h6_an_unsafe_picture_is_shown_on_request_only(laptop: Explored) -> None:
    assert laptop.ask("GET", f"{IMAGES}/2").status == 404
    assert laptop.ask("GET", f"{IMAGES}/2?safe=hide").status == 404
    assert laptop.ask("GET", f"{IMAGES}/2?safe=blur").status == 200
    assert laptop.ask("GET", f"{IMAGES}/2?safe=show").status == 200


@pytest.mark.parametrize("query", ["side=-1", "side=x", "side=99999", "side=٣", "safe=no", "side="])
def test_h2_a_picture_of_no_size_is_refused(laptop: Explored, query: str) -> None:
    answer = laptop.ask("GET", f"{IMAGES}/1?{quote(query, safe='=')}")
    assert (answer.status, answer.json["violations"][0]["field"]) == (400, query.partition("=")[0])
