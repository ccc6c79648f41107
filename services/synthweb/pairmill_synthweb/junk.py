"""What WATs hold besides candidates: links and records that a crawl leaves out, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from pairmill_synthweb.rules import Rules
from pairmill_synthweb.world import Defect, Link, Page

_CRAWL: Final = "crawl"
_HUGE_TEXT: Final = 1_000_002  # characters


def _dropped(
    reason: str,
    url: str | None,
    text: str | None = "a fine picture of something",
    *,
    path: str = "IMG@/src",
    broken: str = "",
) -> Link:
    return Link(url=url, text=text, path=path, drop=reason, drop_stage=_CRAWL, broken=broken)


def not_image(rng: Random) -> Link:
    """A link to something else."""
    number = rng.randrange(10**6)
    path, url = rng.choice(
        (
            ("A@/href", f"/p/{number}.html"),
            ("A@/href", f"http://img.s00001.example/p/{number}.html"),
            ("A@/href", "mailto:someone@s00002.example"),
            ("IFRAME@/src", f"//www.s00003.example/frame/{number}"),
            ("INPUT@/src", f"/img/button-{number}.gif"),
            ("FORM@/action", "/search"),
            ("TD@/background", "/img/tile.gif"),
        )
    )
    return _dropped("not_image_link", url, None, path=path)


def no_alt(rng: Random) -> Link:
    """An image without a text, or with a blank one."""
    text = rng.choice((None, "", " ", "\t\n ", "\u00a0"))
    return _dropped("no_alt", f"/img/icon-{rng.randrange(10**6)}.png", text)


def _variants(rules: Rules) -> list[Callable[[Random], Link]]:
    """One maker for every other kind of link that a crawl drops."""
    long_url = f"http://img.s00001.example/{'a' * rules.max_url_characters}.jpg"
    makers: list[Callable[[Random], Link]] = [
        lambda _rng: _dropped(
            "alt_too_long", "/img/essay.jpg", "word " * (rules.max_text_characters // 5 + 1)
        ),
        lambda _rng: _dropped("url_too_long", long_url),
        lambda _rng: _dropped("bad_url", "http://[::1"),
        lambda _rng: _dropped("bad_url", "http://"),
        lambda _rng: _dropped("bad_url", "http://img.s00001.example:99999/a.jpg"),
        lambda _rng: _dropped("bad_url", "http://im g.s00001.example/a.jpg"),
        lambda _rng: _dropped("bad_url", "https://%00.example/a.jpg"),
        lambda _rng: _dropped("bad_scheme", "ftp://files.s00001.example/a.jpg"),
        lambda _rng: _dropped("bad_scheme", "javascript:alert(1)"),
        lambda _rng: _dropped("bad_scheme", "file:///etc/passwd"),
        lambda _rng: _dropped("bad_scheme", "blob:http://img.s00001.example/4711"),
        lambda _rng: _dropped("data_url", "data:image/gif;base64,R0lGODlhAQABAAAAACw="),
        lambda _rng: _dropped("data_url", "DATA:image/png;base64,iVBORw0KGgo="),
        lambda _rng: _dropped("blocked_port", "http://img.s00001.example:22/a.jpg"),
        lambda _rng: _dropped("blocked_port", "http://img.s00001.example:6379/a.jpg"),
        lambda _rng: _dropped("bad_schema", None, broken="url_null"),
        lambda _rng: _dropped("bad_schema", "/img/a.jpg", broken="alt_number"),
        lambda _rng: _dropped("bad_schema", "/img/a.jpg", broken="not_an_object"),
        lambda _rng: _dropped("bad_schema", "/img/a.jpg", broken="path_number"),
    ]
    if rules.min_text_characters > 1:
        makers.append(
            lambda _rng: _dropped("alt_too_short", "/img/b.jpg", "x" * (rules.min_text_characters - 1))
        )
        makers.append(lambda _rng: _dropped("alt_too_short", "/img/b.jpg", "  ok\x00\x07  "))
    return makers


def odd_links(rules: Rules, rng: Random) -> Iterator[Link]:
    """Yields links of all dropped kinds but the two common ones, in turn and without an end."""
    makers = _variants(rules)
    while True:
        for maker in makers:
            yield maker(rng)


def essay(rng: Random) -> Link:
    """An image with a text of a million characters, which compress like words."""
    return _dropped("alt_too_long", "/img/novel.jpg", rng.randbytes(_HUGE_TEXT // 3).hex(" "))


def opted_out_page(rng: Random, number: int) -> Page:
    """A page that forbids the use of all it shows."""
    host = f"www.s{rng.randrange(8):05d}.example"
    metas = rng.choice(
        (
            (("robots", "noai"),),
            (("robots", "index, noimageai"),),
            (("ROBOTS", "NOAI, NOIMAGEAI"),),
            (("tdm-reservation", "1"),),
            (("viewport", "width=device-width"), ("robots", "noai, follow")),
        )
    )
    links = tuple(
        _dropped("opt_out_page", f"http://{host}/img/kept-back-{number}-{index}.jpg")
        for index in range(rng.randint(1, 4))
    )
    return Page(url=f"http://{host}/reserved/{number}.html", links=(*links, not_image(rng)), metas=metas)


def crowded_page(rules: Rules, rng: Random, number: int) -> Page:
    """A page with a few image links more than are read of one page."""
    surplus = rng.randint(2, 6)
    read = [_dropped("no_alt", f"/img/thumb-{index}.png", None) for index in range(rules.max_links_per_page)]
    over = [_dropped("too_many_links", f"/img/thumb-over-{index}.png") for index in range(surplus)]
    return Page(url=f"http://www.s00001.example/gallery/{number}.html", links=(*read, *over))


SCATTERED: Final = (
    Defect.BAD_JSON,
    Defect.OTHER_TYPE,
    Defect.ENVELOPE_IS_A_NUMBER,
    Defect.NO_HTML,
    Defect.LINKS_ARE_NO_LIST,
    Defect.CUT_JSON,
    Defect.NOT_AN_OBJECT,
    Defect.NO_HEADER,
    Defect.TOO_DEEP,
    Defect.TOO_LARGE,
    Defect.BOMB,
)
"""Defects that a whole WAT survives; each stands in at least one WAT of a world."""
