"""Every candidate of a small world, fetched and examined by the downloader's own parts, one by one.

What is left to a whole job is the order of requests: units, rounds and the final word of a host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from pairmill.clock import SystemClock
from pairmill.reasons import RETRIABLE, reason_name
from pairmill_downloader.adapters.http import open_fetcher
from pairmill_downloader.fetching.config import FetchConfig, Network, Route
from pairmill_downloader.fetching.gate import PoliteGate
from pairmill_downloader.images.examine import examine
from pairmill_downloader.ports import Fetcher
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.kinds.table import least_candidates
from pairmill_synthweb.plan import build_world
from pairmill_synthweb.rules import Rules, demo_spec
from pairmill_synthweb.web import NETWORK, SyntheticWeb
from pairmill_synthweb.world import Candidate, World
from tests.fakes.painter import FakePainter

AT_ONCE = 32
BY_THE_UNIT = {"body_too_small", "host_unavailable"}
"""Reasons that a unit of work gives, not a single request."""


def brisk_spec() -> JobSpec:
    spec = demo_spec()
    spec.download.first_byte_timeout_seconds = 0.8
    spec.download.deadline_seconds = 1.6
    spec.download.host_delay_seconds = 0.0
    return spec


def small_world() -> World:
    rules = Rules.from_spec(brisk_spec())
    return build_world(seed=1, candidates=least_candidates(), rules=rules, painter=FakePainter())


@pytest.fixture(scope="module")
def web() -> Iterator[SyntheticWeb]:
    world = small_world()
    with SyntheticWeb(world, PictureFiles(world.seed, world.redraws, FakePainter())) as running:
        yield running


def config(web: SyntheticWeb) -> FetchConfig:
    routes = tuple(Route(text) for text in web.connect_to)
    return FetchConfig(allowed_networks=(Network(NETWORK),), connect_to=routes)


async def ends(web: SyntheticWeb, candidates: tuple[Candidate, ...]) -> list[tuple[str, str]]:
    """The reason of each candidate after as many tries as a row has, with its detail."""
    clock, spec = SystemClock(), brisk_spec()
    places = asyncio.Semaphore(AT_ONCE)

    async def one(candidate: Candidate, fetcher: Fetcher) -> tuple[str, str]:
        async with places:
            return await end_of(candidate, fetcher, spec)

    async with open_fetcher(
        replace(config(web), robots_ttl_seconds=0.2), PoliteGate(clock), clock
    ) as fetcher:
        return await asyncio.gather(*(one(candidate, fetcher) for candidate in candidates))


async def end_of(candidate: Candidate, fetcher: Fetcher, spec: JobSpec) -> tuple[str, str]:
    tries = spec.download.max_attempts * (1 + len(spec.download.retry_delay_seconds))
    for _ in range(tries):
        found = await fetcher.fetch(candidate.url, spec.download)
        if found.reason not in RETRIABLE:
            break
    if found.reason == Reason.REASON_UNSPECIFIED:
        examined = examine(found.body, spec.image)
        return reason_name(examined.reason), examined.detail
    return reason_name(found.reason), found.detail


def wrong_ends(web: SyntheticWeb, candidates: tuple[Candidate, ...]) -> str:
    """One line for each candidate that did not end as its structure says."""
    found = asyncio.run(ends(web, candidates))
    return "\n".join(
        f"{candidate.kind} {candidate.url}: {reason} ({detail}), not {candidate.reason}"
        for candidate, (reason, detail) in zip(candidates, found, strict=True)
        if reason != candidate.reason
    )


@pytest.mark.slow
def test_every_candidate_ends_as_its_structure_says(web: SyntheticWeb) -> None:
    candidates = tuple(one for one in small_world().candidates if one.reason not in BY_THE_UNIT)
    assert wrong_ends(web, candidates) == ""
    assert web.journal.violations() == []
    assert web.journal.unknown_urls() == []
