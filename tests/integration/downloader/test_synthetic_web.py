"""Every kind of link of the synthetic web ends in fetching as its truth says (D8, D10, C1, C5, C7)."""

from __future__ import annotations

import asyncio

import pytest

from pairmill.clock import SystemClock
from pairmill.config import read_config
from pairmill.domains import registrable_domain
from pairmill.jobspec.profiles import profile
from pairmill.jobspec.settings import apply_settings
from pairmill.reasons import RETRIABLE, reason_name
from pairmill_downloader.adapters.http import open_fetcher
from pairmill_downloader.fetching.config import FetchConfig
from pairmill_downloader.fetching.gate import PoliteGate
from pairmill_downloader.fetching.targets import Target, parse_target
from pairmill_downloader.ports import FetchEnd
from pairmill_protos.job.v1.job_pb2 import DownloadRules
from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.kinds import consent, redirects, servers
from pairmill_synthweb.rules import demo_overrides
from pairmill_synthweb.web import SyntheticWeb
from pairmill_synthweb.world import Candidate
from tests.fakes.painter import FakePainter
from tests.unit.synthweb.worlds import world

# Decided by the bytes or by a whole unit, not by one fetch.
_NOT_HERE = {"retry_tomorrow", "embedded_notice"}
_KINDS = sorted(
    kind.name for kind in (*consent.KINDS, *servers.KINDS, *redirects.KINDS) if kind.name not in _NOT_HERE
)


Ends = dict[str, list[tuple[Candidate, FetchEnd]]]


@pytest.fixture(scope="module")
def ends() -> Ends:
    """The ends of a few links of each kind, fetched until they have had time to heal."""
    picked = [
        candidate
        for kind in _KINDS
        for candidate in [one for one in world().candidates if one.kind == kind][:3]
    ]
    spec = profile("default")
    apply_settings(spec, {**demo_overrides(), "download.first_byte_timeout_seconds": "1"})
    files = PictureFiles(world().seed, world().redraws, FakePainter())
    with SyntheticWeb(world(), files) as web:
        found = asyncio.run(_fetch_all(web, picked, spec.download))
        assert web.journal.violations() == []
    by_kind: Ends = {}
    for candidate, end in zip(picked, found, strict=True):
        by_kind.setdefault(candidate.kind, []).append((candidate, end))
    return by_kind


async def _fetch_all(web: SyntheticWeb, picked: list[Candidate], rules: DownloadRules) -> list[FetchEnd]:
    clock = SystemClock()
    gate = PoliteGate(clock)
    config = read_config(FetchConfig, web.downloader_env)
    async with open_fetcher(config, gate, clock, partitions=4) as fetcher:

        async def one(candidate: Candidate) -> FetchEnd:
            target = parse_target(candidate.url)
            assert isinstance(target, Target)
            for _ in range(max(candidate.tries, 1)):
                domain = registrable_domain(target.host)
                async with gate.turn(target.host, domain, rules, deadline=clock.monotonic() + 60) as admitted:
                    assert admitted
                    end = await fetcher.fetch(candidate.url, rules)
                if end.reason not in RETRIABLE or candidate.outcome == "failed":
                    break
            return end

        return await asyncio.gather(*(one(candidate) for candidate in picked))


@pytest.mark.parametrize("kind", _KINDS)
def test_kind_of_link_ends_as_the_truth_says(kind: str, ends: Ends) -> None:
    found = ends[kind]
    assert found
    for candidate, end in found:
        expected = candidate.reason if candidate.outcome == "failed" else ""
        assert (reason_name(end.reason), candidate.url) == (expected, candidate.url), end.detail
        assert bool(end.body) is not bool(expected)
