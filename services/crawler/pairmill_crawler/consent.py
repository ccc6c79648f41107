"""What a page says of licence and of use for AI training: evidence, and whether it forbids that use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from pairmill_crawler.urls import Base, resolve_text
from pairmill_crawler.wat import BadLink, HeadLink, Link, Page

AGENT: Final = "pairmill"
MAX_CHARACTERS: Final = 500

_FORBIDDING: Final = frozenset({"noai", "noimageai"})
_ROBOTS_NAMES: Final = frozenset({"robots", AGENT})
_TDM_NAMES: Final = frozenset({"tdm-reservation", "tdm-policy"})
_LICENCE_NAMES: Final = frozenset(
    {"license", "licence", "dc.license", "dcterms.license", "dc.rights", "dcterms.rights"}
)
_HEADERS_OF_INTEREST: Final = re.compile(
    rb'"(?:x-robots-tag|tdm-reservation|tdm-policy|content-usage)"', re.I
)
_USAGE: Final = re.compile(r"(?:^|[\s,;])(train-ai|genai|ai|bots)\s*=\s*(y|n)(?![\w-])", re.I)
_DIRECTIVE_SEPARATORS: Final = re.compile(r"[\s,;]+")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class PageTerms(NamedTuple):
    """A page's own words on use."""

    licence: str | None = None
    consent: str | None = None
    forbids: bool = False  # use for AI training


class _Statement(NamedTuple):
    evidence: str
    forbids: bool


def terms_of(page: Page, base: Base) -> PageTerms:
    """Returns what a page states by meta elements, HTTP headers and links of rel `license`."""
    statements = [*_of_metas(page), *_of_headers(page.headers)]
    evidence = "; ".join(dict.fromkeys(statement.evidence for statement in statements))
    return PageTerms(
        licence=_licence(page, base),
        consent=_clean(evidence) or None,
        forbids=any(statement.forbids for statement in statements),
    )


def _of_metas(page: Page) -> Iterator[_Statement]:
    for meta in page.metas:
        if not meta.name or meta.content is None:
            continue
        name, content = meta.name.strip().lower(), meta.content
        if name in _ROBOTS_NAMES:
            yield from _robots(f"meta {name}", content)
        elif name in _TDM_NAMES:
            yield _tdm("meta", name, content)


def _of_headers(headers: bytes) -> Iterator[_Statement]:
    if not _HEADERS_OF_INTEREST.search(headers):
        return
    for name, value in _header_fields(headers):
        match name:
            case "x-robots-tag":
                yield from _tagged_robots(value)
            case "tdm-reservation" | "tdm-policy":
                yield _tdm("header", name, value)
            case "content-usage":
                yield _usage(value)
            case _:
                pass


def _header_fields(headers: bytes) -> Iterator[tuple[str, str]]:
    try:
        fields = msgspec.json.decode(headers, type=dict[str, object])
    except msgspec.DecodeError:
        return
    for name, value in fields.items():
        for single in value if isinstance(value, list) else [value]:
            if isinstance(single, str):
                yield name.strip().lower(), single


def _tagged_robots(value: str) -> Iterator[_Statement]:
    """X-Robots-Tag, whose directives hold for all until an agent is named: `otherbot: noai, noindex`."""
    ours: list[str] = []
    agent = ""
    for part in value.split(","):
        head, colon, rest = part.partition(":")
        if colon and head.strip().lower() != "unavailable_after":
            agent, part = head.strip().lower(), rest
        if agent in ("", AGENT):
            ours.append(part)
    yield from _robots("header x-robots-tag", ",".join(ours))


def _robots(source: str, content: str) -> Iterator[_Statement]:
    for directive in _DIRECTIVE_SEPARATORS.split(content.lower()):
        if directive in _FORBIDDING:
            yield _Statement(f"{source}: {directive}", forbids=True)


def _tdm(source: str, name: str, content: str) -> _Statement:
    value = content.strip()
    return _Statement(f"{source} {name}: {value}", forbids=name == "tdm-reservation" and value == "1")


def _usage(value: str) -> _Statement:
    """AIPREF: the preference that names training counts, else the one for all automated processing."""
    stated = {name.lower(): answer.lower() for name, answer in _USAGE.findall(value)}
    decisive = next((stated[name] for name in ("train-ai", "genai", "ai", "bots") if name in stated), "y")
    return _Statement(f"header content-usage: {value.strip()}", forbids=decisive == "n")


def _licence(page: Page, base: Base) -> str | None:
    """A licence link of the head, else of the body, else a meta element."""
    for href in (*_licence_links(page.head_links), *_licence_links(_whole(page.links))):
        return _clean(resolve_text(href, base)) or None
    for meta in page.metas:
        if meta.name and meta.content and meta.name.strip().lower() in _LICENCE_NAMES:
            return _clean(meta.content) or None
    return None


def _licence_links(links: Iterable[HeadLink | Link]) -> Iterator[str]:
    for link in links:
        if link.rel and link.url and "license" in link.rel.lower().split():
            yield link.url


def _whole(links: Sequence[Link | BadLink]) -> Iterator[Link]:
    return (link for link in links if isinstance(link, Link))


def _clean(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text).split())[:MAX_CHARACTERS]
