"""The synthetic web for whoever needs one around him: a server in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.kinds.servers import NXDOMAIN_DOMAIN, REFUSED_DOMAIN, SERVFAIL_DOMAIN
from pairmill_synthweb.serving.failures import FailureCounts
from pairmill_synthweb.serving.journal import Journal
from pairmill_synthweb.serving.server import LOOPBACK, SyntheticServer
from pairmill_synthweb.serving.site import Site
from pairmill_synthweb.serving.wire import Pace
from pairmill_synthweb.world import World

T = TypeVar("T")

NETWORK: Final = "127.0.0.0/8"
"""The network that a client has to allow, for it is no public one."""

TOP_DOMAIN: Final = "example"
"""Every host of a synthetic web lies below it."""

_WAIT_SECONDS: Final = 30.0


class SyntheticWeb:
    """A running synthetic web, from entering to leaving the context."""

    def __init__(
        self,
        world: World,
        files: PictureFiles,
        *,
        port: int = 0,
        state: Path | None = None,
        pace: Pace | None = None,
        address: str = LOOPBACK,
        documents: Mapping[str, Path] | None = None,
    ) -> None:
        """With a file `state`, what has failed enough stays well after a restart.

        `address` is where it listens; `documents` are files by target that stand on no host of the world.
        """
        self.journal = Journal()
        self._world = world
        self._files = files
        self._wanted_port = port
        self._state = state
        self._pace = pace or Pace.of(world.rules)
        self._address = address
        self._documents = documents
        self._stack = ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._port = 0
        self._refused_port = 0

    @property
    def port(self) -> int:
        """The port at which it listens."""
        return self._port

    @property
    def connect_to(self) -> tuple[str, ...]:
        """Where a client finds the hosts, the most specific first: `SUFFIX=ADDRESS:PORT`.

        `nxdomain` and `servfail` in place of an address say how the resolver is to fail.
        """
        return (
            f"{NXDOMAIN_DOMAIN}=nxdomain",
            f"{SERVFAIL_DOMAIN}=servfail",
            f"{REFUSED_DOMAIN}={LOOPBACK}:{self._refused_port}",
            f"{TOP_DOMAIN}={LOOPBACK}:{self._port}",
        )

    @property
    def downloader_env(self) -> dict[str, str]:
        """Settings of a downloader that is to fetch from this web."""
        return {
            "PAIRMILL_CONNECT_TO": ",".join(self.connect_to),
            "PAIRMILL_ALLOWED_NETWORKS": NETWORK,
        }

    def __enter__(self) -> Self:
        with self._stack:
            failures = self._stack.enter_context(FailureCounts(self._state))
            self._refused_port = self._stack.enter_context(_port_without_listener())
            site = Site(self._world, self._files, failures, self.journal, self._documents)
            server = SyntheticServer(site, self.journal, self._pace)
            self._loop = self._stack.enter_context(_loop_in_thread())
            self._port = self._wait(server.start(self._wanted_port, self._address))
            self._stack.callback(lambda: self._wait(server.stop()))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _wait(self, work: Coroutine[None, None, T]) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WAIT_SECONDS)


@contextmanager
def _loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """Runs an event loop in a thread until the context is left."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="synthetic-web", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(_WAIT_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_WAIT_SECONDS)
        loop.close()


@contextmanager
def _port_without_listener() -> Iterator[int]:
    """Holds a port at which connections are refused: it is taken, and nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind((LOOPBACK, 0))
        port: int = taken.getsockname()[1]
        yield port
