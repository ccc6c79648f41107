"""The Fetcher of the downloader: attempts at URLs over one client, one gate and one memory of consent."""

from __future__ import annotations

from pairmill.clock import Clock
from pairmill_downloader.fetching.config import FetchConfig
from pairmill_downloader.fetching.consent import Consent
from pairmill_downloader.fetching.exchange import Fields, HttpClient, Request
from pairmill_downloader.fetching.journey import Journey, Means
from pairmill_downloader.fetching.targets import Target, parse_target
from pairmill_downloader.ports import FetchEnd, HopGate
from pairmill_protos.job.v1.job_pb2 import DownloadRules

_PROBE_SECONDS = 5.0


class HttpFetcher:
    """Fetches URLs under all rules of consent and safety. Used from one event loop."""

    def __init__(
        self, client: HttpClient, gate: HopGate, clock: Clock, config: FetchConfig, *, partitions: int = 1
    ) -> None:
        self._client = client
        self._means = Means(
            client=client,
            consent=Consent(client, gate, clock, config),
            gate=gate,
            clock=clock,
            config=config,
            partitions=max(1, partitions),
        )

    async def fetch(self, url: str, rules: DownloadRules) -> FetchEnd:
        """Returns how one attempt at a URL ended; the caller holds the turn of its host."""
        target = parse_target(url)
        if not isinstance(target, Target):
            reason, detail = target
            return FetchEnd(reason=reason, detail=detail)
        return await Journey(self._means, target, rules).run()

    async def answers(self, url: str) -> bool:
        """Whether anything at all answers at a URL: what a canary is asked."""
        target = parse_target(url)
        if not isinstance(target, Target):
            return False
        request = Request(
            target=target,
            user_agent="pairmill",
            accept="*/*",
            connect_seconds=_PROBE_SECONDS,
            first_byte_seconds=_PROBE_SECONDS,
            total_seconds=2 * _PROBE_SECONDS,
            max_body_bytes=0,
        )
        return (await self._client.get(request, _no_body)).status is not None

    async def close(self) -> None:
        """Closes all connections."""
        await self._means.consent.close()
        await self._client.close()


def _no_body(status: int, fields: Fields) -> bool:
    del status, fields
    return False
