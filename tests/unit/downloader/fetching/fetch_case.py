"""A fetch with prepared answers, in time that jumps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pairmill.jobspec.profiles import profile
from pairmill_downloader.fetching.config import FetchConfig
from pairmill_downloader.fetching.exchange import Exchange
from pairmill_downloader.fetching.fetcher import HttpFetcher
from pairmill_downloader.ports import FetchEnd, HopGate
from pairmill_protos.job.v1.job_pb2 import DownloadRules
from tests.fakes.fetching import NotingGate, ScriptedClient
from tests.fakes.virtual_time import VirtualClock, run_virtually

URL = "http://www.a.example/img/1.jpg"
ROBOTS = "http://www.a.example/robots.txt"
TDMREP = "http://www.a.example/.well-known/tdmrep.json"
PICTURE = b"\xff\xd8 a picture" + bytes(3000)


def rules(**fields: object) -> DownloadRules:
    """Returns the rules of the profile `default` with other fields."""
    made = profile("default").download
    for name, value in fields.items():
        setattr(made, name, value)
    return made


class Case:
    """What a fetch did."""

    def __init__(
        self,
        answers: Mapping[str, Exchange | Sequence[Exchange]],
        *,
        gate: NotingGate | None = None,
        seconds: float = 0.0,
        config: FetchConfig | None = None,
        partitions: int = 1,
    ) -> None:
        self.client = ScriptedClient(answers, seconds=seconds)
        self.gate = gate or NotingGate()
        self._config = config or FetchConfig()
        self._partitions = partitions

    def fetcher(self, clock: VirtualClock, gate: HopGate | None = None) -> HttpFetcher:
        """Returns a fetcher over the prepared answers."""
        return HttpFetcher(self.client, gate or self.gate, clock, self._config, partitions=self._partitions)

    def fetch(self, url: str = URL, given: DownloadRules | None = None, *, times: int = 1) -> FetchEnd:
        """Fetches a URL a number of times, one after the other; returns the last end."""

        async def test(clock: VirtualClock) -> FetchEnd:
            fetcher = self.fetcher(clock)
            for _ in range(times - 1):
                await fetcher.fetch(url, given or rules())
            end = await fetcher.fetch(url, given or rules())
            await fetcher.close()
            return end

        return run_virtually(test)
