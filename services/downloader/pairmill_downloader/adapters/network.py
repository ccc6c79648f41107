"""The real network: fetcher, gate and watch on the running event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pairmill.clock import Clock
from pairmill_downloader.adapters.http import open_fetcher
from pairmill_downloader.adapters.routes import has_route
from pairmill_downloader.fetching.config import FetchConfig
from pairmill_downloader.fetching.gate import PoliteGate
from pairmill_downloader.fetching.outage import NetworkOutageWatch
from pairmill_downloader.permit import Permit
from pairmill_downloader.ports import Network


@asynccontextmanager
async def open_network(
    config: FetchConfig, clock: Clock, *, partitions: int, permit: Permit | None = None
) -> AsyncIterator[Network]:
    """Opens what reaches hosts; `partitions` is the number of the download topics (U10).

    Without a `permit` hosts may be asked at any time.
    """
    permit = permit or Permit()
    gate = PoliteGate(clock, permit)
    async with open_fetcher(config, gate, clock, partitions=partitions, permit=permit) as fetcher:
        watch = NetworkOutageWatch(
            clock,
            config.canary_urls,
            fetcher.answers,
            lambda host: config.is_routed(host) or has_route(),
        )
        yield Network(fetcher=fetcher, gate=gate, watch=watch)
