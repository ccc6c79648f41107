"""The web server: an event loop of its own in a thread; a context manager that drains when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import structlog
import uvloop
from aiohttp import web

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError
from pairmill.rpc.config import is_loopback, split_address
from pairmill_explorer.http.config import HttpConfig
from pairmill_explorer.http.connections import ConnectionLimits, Connections
from pairmill_explorer.http.gate import Gate
from pairmill_explorer.http.protocol_log import ProtocolLog
from pairmill_explorer.http.tls import FollowedTls

log = structlog.get_logger(__name__)

_BACKLOG: Final = 1024
_DRAINED_SECONDS: Final = 0.05
_LATE_SECONDS: Final = 5.0
_LINGERING_SECONDS: Final = 2.0
"""How long what is still sent is read after a refusal, so that its sender gets to read it."""


class HttpServer:
    """Serves an application meanwhile. At its end no connection is taken, and requests at work finish.

    Raises ConfigurationError where the configuration cannot be served.
    """

    def __init__(
        self,
        config: HttpConfig,
        app: Callable[[], web.Application],
        gate: Gate,
        *,
        is_open: bool,
        clock: Clock,
    ) -> None:
        """`app` is called on the event loop; `is_open` says that nobody is asked for a token."""
        self._config = config
        self._app = app
        self._gate = gate
        self._clock = clock
        self._tls = _tls(config, is_open=is_open)
        self._socket = _listening(config)
        self.port: int = self._socket.getsockname()[1]
        self._started = threading.Event()
        self._problem: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._connections: Connections | None = None
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def connections_open(self) -> int:
        """Connections that are open."""
        return len(self._connections) if self._connections is not None else 0

    def __enter__(self) -> Self:
        """Starts to serve."""
        self._thread.start()
        self._started.wait()
        if self._problem is not None:
            raise self._problem
        log.info("web_served", listen=self._config.listen, port=self.port)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drains."""
        if self._loop is not None and self._stop is not None:
            self._clock.sleep(self._config.linger_seconds)
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(self._config.drain_seconds + _LATE_SECONDS)
        log.info("web_stopped")

    def is_live(self) -> str | None:
        """Returns a problem where the event loop has ended."""
        return None if self._thread.is_alive() else "the web server has ended"

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._problem = error
            log.error("web_failed", exc_info=error)
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(
            self._app(),
            access_log=None,
            logger=ProtocolLog(),
            keepalive_timeout=self._config.idle_seconds,
            lingering_time=_LINGERING_SECONDS,
            auto_decompress=False,  # a small body may unpack into a large one
            shutdown_timeout=self._config.drain_seconds,
        )
        await runner.setup()
        assert runner.server is not None  # setup makes it
        limits = ConnectionLimits.of(self._config)
        self._connections = connections = Connections(runner.server, limits, self._clock)
        self._gate.connections = connections
        server = await self._loop.create_server(
            connections,
            sock=self._socket,
            backlog=_BACKLOG,
            ssl=self._tls.context if self._tls else None,
            ssl_handshake_timeout=self._config.first_request_seconds if self._tls else None,
        )
        watch = asyncio.create_task(connections.watch())
        follow = asyncio.create_task(self._tls.follow()) if self._tls else None
        self._started.set()
        await self._stop.wait()
        server.close()
        await self._drain(runner)
        for task in filter(None, (watch, follow)):
            task.cancel()
        await runner.cleanup()

    async def _drain(self, runner: web.AppRunner) -> None:
        """Waits until no request is at work any more, or it has taken too long."""
        assert runner.server is not None
        runner.server.pre_shutdown()
        ends_at = self._clock.monotonic() + self._config.drain_seconds
        while self._gate.at_work and self._clock.monotonic() < ends_at:
            await asyncio.sleep(_DRAINED_SECONDS)


def _listening(config: HttpConfig) -> socket.socket:
    try:
        host, port = split_address(config.listen)
    except ValueError as error:
        raise ConfigurationError(f"http.{error}") from error
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"http.listen: cannot listen on {config.listen} ({_why(error)}); choose another"
        ) from error


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _tls(config: HttpConfig, *, is_open: bool) -> FollowedTls | None:
    """Returns the certificates, if any; raises ConfigurationError where they are needed."""
    host, _ = split_address(config.listen)
    if is_open and not is_loopback(host):
        raise ConfigurationError(
            f"http.tokens_file: is not set; "
            f"without tokens only a loopback address is served, and {host} is none"
        )
    if config.tls.certificate_file is not None:
        return FollowedTls(config.tls, ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    if not (config.behind_proxy or is_loopback(host)):
        raise ConfigurationError(
            "http.tls.certificate_file: is not set; tokens would travel in the clear. "
            "Name a certificate, or set behind_proxy where a proxy in front speaks TLS"
        )
    return None
