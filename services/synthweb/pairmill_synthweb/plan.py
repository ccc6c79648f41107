"""Plans a synthetic web from a seed: candidates of every kind, then the WATs that link to them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from pairmill.errors import ConfigurationError
from pairmill_synthweb.draft import Draft
from pairmill_synthweb.junk import (
    SCATTERED,
    crowded_page,
    essay,
    no_alt,
    not_image,
    odd_links,
    opted_out_page,
)
from pairmill_synthweb.kinds.pictures import PLAIN
from pairmill_synthweb.kinds.table import KINDS, least_candidates
from pairmill_synthweb.painter import Painter
from pairmill_synthweb.rules import Rules
from pairmill_synthweb.spelling import spelled_url
from pairmill_synthweb.world import Candidate, Defect, Link, Page, Redraws, Wat, World

DEFAULT_CANDIDATES: Final = 3000
DEFAULT_SEED: Final = 1
DEFAULT_WATS: Final = 6

_CANDIDATES_PER_HOST: Final = 50  # regular hosts; at most 100 with all hosts counted
_LEAST_HOSTS: Final = 12
_REPEATED_SHARE: Final = 0.04  # candidates that stand in their wave twice
_LATER_SHARE: Final = 0.04  # candidates whose URL stands in a later wave again
_LINKS_PER_PAGE: Final = (3, 14)
_CANDIDATES_PER_OPT_OUT_PAGE: Final = 100
_CANDIDATES_PER_ODD_LINK: Final = 15


def build_world(
    *,
    seed: int = DEFAULT_SEED,
    candidates: int = DEFAULT_CANDIDATES,
    rules: Rules,
    painter: Painter,
    wats: int = DEFAULT_WATS,
    redraws: Redraws | None = None,
) -> World:
    """Returns the world of a seed with exactly `candidates` candidates in `wats` WATs.

    There is at least one host per 100 candidates. What is not redrawn stays as it is. Raises
    ConfigurationError where the world would be too small to have every kind of link.
    """
    least = least_candidates()
    if candidates < least:
        raise ConfigurationError(f"candidates: {candidates} is too small; at least {least}")
    if wats < 1:
        raise ConfigurationError(f"wats: {wats} is too small; at least 1")
    hosts = max(_LEAST_HOSTS, -(-candidates // _CANDIDATES_PER_HOST))
    draft = Draft(seed, rules, painter, hosts, redraws or Redraws())
    for kind in KINDS:
        kind.recipe(draft, kind.name, kind.count(candidates))
    while len(draft.candidates) < candidates:
        PLAIN.recipe(draft, PLAIN.name, candidates - len(draft.candidates))
    return World(
        seed=seed,
        rules=rules,
        hosts=draft.hosts,
        resources=tuple(draft.resources),
        candidates=tuple(draft.candidates),
        wats=_Layout(draft, wats).lay(),
        redraws=draft.redraws,
    )


class _Layout:
    """Spreads candidates and junk over WATs and pages."""

    def __init__(self, draft: Draft, wats: int) -> None:
        self._draft = draft
        self._rng = draft.stream("layout")
        self._odd = odd_links(draft.rules, draft.stream("junk"))
        self._count = wats
        self._waves = -(-wats // draft.rules.wave_size)
        self._pages = 0

    def lay(self) -> tuple[Wat, ...]:
        """Returns the WATs with all their records."""
        links: list[list[tuple[Candidate, Link]]] = [[] for _ in range(self._count)]
        self._place_candidates(links)
        self._place_surplus(links)
        return tuple(self._wat(index, placed) for index, placed in enumerate(links))

    def _place_candidates(self, links: list[list[tuple[Candidate, Link]]]) -> None:
        wave_of: dict[str, int] = {}
        rng = self._rng
        for number, candidate in enumerate(self._draft.candidates):
            # All texts of a URL stand in one wave: in a later one they were seen before (U8).
            wave = wave_of.setdefault(candidate.url, 0 if candidate.early else self._any_wave())
            link = Link(url=None, text=candidate.raw_text, candidate=number)
            links[self._wat_of(wave)].append((candidate, link))
            if rng.random() < _REPEATED_SHARE:
                links[self._wat_of(wave)].append((candidate, link))
            if wave + 1 < self._waves and rng.random() < _LATER_SHARE:
                later = rng.randrange(wave + 1, self._waves)
                text = candidate.raw_text if rng.random() < 0.5 else f"{candidate.raw_text}, seen again"
                seen = Link(url=None, text=text, drop="seen_before", drop_stage="plan")
                links[self._wat_of(later)].append((candidate, seen))
        self._wave_of = wave_of

    def _place_surplus(self, links: list[list[tuple[Candidate, Link]]]) -> None:
        for candidate in self._draft.surplus:
            wat = self._wat_of(self._wave_of[candidate.url])
            link = Link(url=None, text=candidate.raw_text, drop="too_many_captions", drop_stage="plan")
            links[wat].append((candidate, link))

    def _any_wave(self) -> int:
        return self._rng.randrange(self._count) // self._draft.rules.wave_size

    def _wat_of(self, wave: int) -> int:
        first = wave * self._draft.rules.wave_size
        return self._rng.randrange(first, min(first + self._draft.rules.wave_size, self._count))

    def _wat(self, index: int, placed: list[tuple[Candidate, Link]]) -> Wat:
        rng = self._rng
        rng.shuffle(placed)
        records: list[Page | Defect] = []
        left = placed
        while left:
            taken = rng.randint(*_LINKS_PER_PAGE)
            records.append(self._page(left[:taken]))
            left = left[taken:]
        records.extend(self._junk_pages(index, len(placed)))
        records.extend(SCATTERED[index :: self._count])
        rng.shuffle(records)
        if index == self._count // 2:
            records.insert(len(records) // 2, Defect.CORRUPT_MEMBER)
        if index == self._count - 1:
            records.append(Defect.CUT_MEMBER)
        name = f"CC-SYNTH-{self._draft.seed:04d}-{index:05d}.warc.wat.gz"
        return Wat(name=name, records=tuple(records))

    def _page(self, placed: Sequence[tuple[Candidate, Link]]) -> Page:
        rng = self._rng
        page_host = self._page_host(placed)
        base_host = self._page_host(placed[1:]) if len(placed) > 1 and rng.random() < 0.15 else ""
        links = [self._spelled(candidate, link, page_host, base_host) for candidate, link in placed]
        links.extend(not_image(rng) for _ in range(rng.randint(1, 4)))
        links.extend(no_alt(rng) for _ in range(rng.randint(0, 3)))
        rng.shuffle(links)
        self._pages += 1
        return Page(
            url=f"http://{page_host}/p/{self._pages:06d}.html",
            links=tuple(links),
            base=f"http://{base_host}/deep/er/" if base_host else "",
            metas=(("HTML@/lang", "en"), ("robots", "index, follow")) if rng.random() < 0.5 else (),
            line_feeds=rng.random() < 0.03,
        )

    def _page_host(self, placed: Sequence[tuple[Candidate, Link]]) -> str:
        """The host of the first link, so that it can be written relative to the page."""
        number = placed[0][0].resource
        if number is None:
            return self._draft.regular[0].name
        return self._draft.resources[number].host

    def _spelled(self, candidate: Candidate, link: Link, page_host: str, base_host: str) -> Link:
        number = candidate.resource
        if number is None:
            url = candidate.raw_url
        else:
            resource = self._draft.resources[number]
            url = spelled_url(
                resource.host, resource.target, self._rng, page_host=page_host, base_host=base_host
            )
        return Link(
            url=url, text=link.text, drop=link.drop, drop_stage=link.drop_stage, candidate=link.candidate
        )

    def _junk_pages(self, index: int, size: int) -> list[Page]:
        rng = self._rng
        pages = [
            opted_out_page(rng, number) for number in range(max(1, size // _CANDIDATES_PER_OPT_OUT_PAGE))
        ]
        odd = list(islice(self._odd, max(8, size // _CANDIDATES_PER_ODD_LINK)))
        if index == 0:
            odd.append(essay(rng))
            pages.append(crowded_page(self._draft.rules, rng, index))
        pages.extend(self._odd_page(odd[start : start + 5]) for start in range(0, len(odd), 5))
        return pages

    def _odd_page(self, links: list[Link]) -> Page:
        self._pages += 1
        return Page(url=f"http://www.s00001.example/odd/{self._pages:06d}.html", links=tuple(links))
