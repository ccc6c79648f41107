"""A real fetcher against a server on loopback, with short time-outs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from pairmill.clock import SystemClock
from pairmill.jobspec.profiles import profile
from pairmill_downloader.adapters.http import open_fetcher
from pairmill_downloader.adapters.resolver import Lookup, ResolutionError
from pairmill_downloader.fetching.config import FetchConfig, Network, Route
from pairmill_downloader.ports import FetchEnd
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import DownloadRules
from tests.fakes.fetching import NotingGate
from tests.fakes.raw_server import Behaviour, RawServer

PICTURE = b"\xff\xd8 a picture" + bytes(range(256)) * 20
LOOPBACK = Network("127.0.0.0/8")
HOST = "www.site.example"


def rules(**fields: object) -> DownloadRules:
    """Returns rules with short time-outs and without consent files, with other fields as given."""
    made = profile("default").download
    given = {
        "connect_timeout_seconds": 0.5,
        "first_byte_timeout_seconds": 0.3,
        "deadline_seconds": 0.6,
        "max_body_bytes": 100_000,
        "min_body_bytes": 1,
        "honour_robots": False,
        "honour_tdm": False,
        **fields,
    }
    for name, value in given.items():
        setattr(made, name, value)
    return made


class Names:
    """A resolver with prepared answers; the last answer for ever. Notes what was asked."""

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str] | Reason.ValueType]]) -> None:
        self._answers = {name: list(given) for name, given in answers.items()}
        self.asked: list[str] = []
        self.closed = False

    async def addresses(self, host: str) -> Sequence[str]:
        """Returns the next answer."""
        self.asked.append(host)
        prepared = self._answers[host]
        found = prepared.pop(0) if len(prepared) > 1 else prepared[0]
        if isinstance(found, int):
            raise ResolutionError(found, "as told")
        return found

    def close(self) -> None:
        """Notes that it is over."""
        self.closed = True


async def fetch_from(
    server: RawServer, path: str, given: DownloadRules | None = None, *, scheme: str = "http"
) -> FetchEnd:
    """Fetches one path of a server."""
    config = FetchConfig(
        allowed_networks=(LOOPBACK,), connect_to=(Route(f"example=127.0.0.1:{server.port}"),)
    )
    async with open_fetcher(config, NotingGate(), SystemClock()) as fetcher:
        return await fetcher.fetch(f"{scheme}://{HOST}{path}", given or rules())


def fetch(behaviour: Behaviour, given: DownloadRules | None = None) -> FetchEnd:
    """Fetches once from a server that behaves like that."""

    async def run() -> FetchEnd:
        async with RawServer({"/x": behaviour}) as server:
            return await fetch_from(server, "/x", given)

    return asyncio.run(run())


async def fetch_by_name(
    url: str, names: Lookup, *allowed: Network, times: int = 1, ttl_seconds: float = 300.0
) -> list[FetchEnd]:
    """Fetches a URL a number of times with a resolver of its own."""
    config = FetchConfig(allowed_networks=allowed, dns_ttl_seconds=ttl_seconds, keepalive_seconds=0.001)
    async with open_fetcher(config, NotingGate(), SystemClock(), lookup=names) as fetcher:
        return [await fetcher.fetch(url, rules()) for _ in range(times)]
