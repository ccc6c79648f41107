"""A crew on virtual hosts: who is asked when, and who is not held up by whom (U9, U10)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pairmill.clock import SystemClock
from pairmill_downloader.crew import Crew, Means, Orders
from pairmill_downloader.ends import Ended, HandedOn, Round
from pairmill_downloader.shards.spill import ImageSpill
from pairmill_downloader.targets import Target
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules
from tests.fakes import download as fake


@dataclass
class StrictGate(fake.JournalGate):
    """Refuses every turn whose deadline is near: as if time were up, but for first turns."""

    near: float = 100.0
    deadlines: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def turn(
        self, host: str, domain: str, rules: DownloadRules, *, deadline: float
    ) -> AsyncIterator[bool]:
        left = deadline - SystemClock().monotonic()
        self.deadlines.append(left)
        self.turns[host] += left > self.near
        yield left > self.near


def target(url: str) -> Target:
    host = url.split("/")[2]
    return Target(url=url, host=host, domain=".".join(host.split(".")[-2:]), rows=(0,))


def crew_of(web: fake.FakeWeb, spill: ImageSpill, deadline: float = 60.0, **rules: float) -> Crew:
    job = fake.spec(**{f"download__{name}": value for name, value in rules.items()})
    return Crew(
        orders=Orders(
            download=job.download,
            image=job.image,
            place=Round(number=0, rounds=3),
            deadline_seconds=deadline,
        ),
        means=Means(
            network=web.network(),
            examiner=fake.LocalExaminer(),
            observer=fake.CountingObserver(),
            monotonic=SystemClock().monotonic,
        ),
        spill=spill,
        jitter=lambda: 0.0,
    )


@pytest.fixture
def spill(tmp_path: Path) -> Iterator[ImageSpill]:
    with ImageSpill(tmp_path / "images") as made:
        yield made


def test_each_domain_has_its_first_turn_even_when_time_is_up(spill: ImageSpill) -> None:
    web = fake.FakeWeb(gate=StrictGate())
    urls = [f"https://{host}/{number}" for host in ("a.test", "b.test", "x.b.test") for number in range(3)]
    crew = crew_of(web, spill, deadline=0.0, host_connections=1)
    asyncio.run(crew.work([target(url) for url in urls]))
    assert len(crew.ends) == 9
    asked = [end for end in crew.ends.values() if isinstance(end, Ended)]
    assert sorted(end.target.domain for end in asked) == ["a.test", "b.test"]
    rest = [end for end in crew.ends.values() if isinstance(end, HandedOn)]
    assert {(end.next_round, end.attempts) for end in rest} == {(False, 0)}


def test_what_is_at_work_is_told_and_taken_back_however_it_ends(spill: ImageSpill) -> None:
    web, seen = fake.FakeWeb(), fake.CountingObserver()
    crew = crew_of(web, spill)
    crew.means = replace(crew.means, observer=seen)
    targets = [target(f"https://{host}/{number}") for host in ("a.test", "b.test") for number in range(2)]
    web.fetcher.script[targets[0].url] = [fake.refused(Reason.REASON_HTTP_4XX)]
    asyncio.run(crew.work(targets))
    assert (seen.serving_now, seen.fetching_now) == (0, 0)
    assert (seen.most_served, seen.most_fetched) >= (2, 1)


def test_what_failed_before_time_was_up_goes_to_the_next_round(spill: ImageSpill) -> None:
    web = fake.FakeWeb()
    url = "https://a.test/1"
    web.fetcher.script[url] = [fake.refused(Reason.REASON_RESET)]
    crew = crew_of(web, spill, deadline=0.5, host_delay_seconds=2.0, max_attempts=5)
    asyncio.run(crew.work([target(url)]))
    end = crew.ends[url]
    assert isinstance(end, HandedOn)
    assert (end.next_round, end.reason, end.attempts) == (True, Reason.REASON_RESET, 1)


def test_what_was_to_be_tried_again_keeps_its_attempts_when_the_crew_is_stopped(spill: ImageSpill) -> None:
    web = fake.FakeWeb()
    failing = replace(target("https://a.test/1"), attempts_used=4, retry_after_rounds=1)
    web.fetcher.script[failing.url] = [fake.refused(Reason.REASON_RESET)]
    crew = crew_of(web, spill, deadline=3000.0, host_delay_seconds=1000.0, max_attempts=5)

    async def stopped_after_a_failure() -> None:
        work = asyncio.create_task(crew.work([failing]))
        async with asyncio.timeout(30.0):
            while not crew.tried:
                await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait([work])

    asyncio.run(stopped_after_a_failure())
    assert not crew.ends
    left = crew.left(failing)
    assert (left.next_round, left.attempts, left.retry_after_rounds) == (False, 5, 1)


def test_d6_a_host_that_asks_to_wait_holds_up_itself_alone(spill: ImageSpill) -> None:
    web = fake.FakeWeb()
    slow, quick = "https://slow.a.test/1", [f"https://quick.a.test/{number}" for number in range(3)]
    web.fetcher.script[slow] = [fake.refused(Reason.REASON_HTTP_429, retry_after_seconds=50.0)]
    crew = crew_of(web, spill, deadline=1.0, max_attempts=5, host_connections=1)
    asyncio.run(crew.work([target(url) for url in (slow, *quick)]))
    assert web.gate.pauses == [("slow.a.test", 50.0)]
    assert all(isinstance(crew.ends[url], Ended) for url in quick)
    end = crew.ends[slow]
    assert isinstance(end, HandedOn)
    assert end.next_round


def test_errors_of_the_examiner_come_out_as_they_are(spill: ImageSpill) -> None:
    web = fake.FakeWeb()
    web.fetcher.script["https://a.test/1"] = [fake.answered(fake.picture())]
    crew = crew_of(web, spill)
    spill.__exit__(None, None, None)
    with pytest.raises(ValueError, match="closed file"):
        asyncio.run(crew.work([target("https://a.test/1"), target("https://b.test/2")]))


def test_connections_of_a_domain_are_limited_by_the_rules(spill: ImageSpill) -> None:
    web = fake.FakeWeb()
    crew = crew_of(web, spill, host_connections=2)
    asyncio.run(crew.work([target(f"https://a.test/{number}") for number in range(20)]))
    assert web.fetcher.most_busy == 2
    assert len(crew.ends) == 20
