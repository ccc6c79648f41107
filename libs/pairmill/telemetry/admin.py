"""The admin port: `/metrics`, `/livez`, `/readyz`."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from pairmill.errors import ConfigurationError
from pairmill.telemetry.checks import Check, problems
from pairmill.telemetry.health import HealthCollector

log = structlog.get_logger(__name__)

MAX_CONNECTIONS: Final = 16
"""A scraper and two probes need three; more than these are turned away."""

CONNECTION_SECONDS: Final = 15.0
"""Time for a request and its answer, after which the connection is cut however it dawdles."""


class AdminServer:
    """Serves measures and health on threads of its own; a context manager.

    Its port is for probes and scrapers within the deployment: it answers GET and HEAD of three paths, and
    changes nothing.
    """

    def __init__(
        self,
        *,
        port: int,
        registry: CollectorRegistry,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
        host: str = "127.0.0.1",
        connection_seconds: float = CONNECTION_SECONDS,
    ) -> None:
        registry.register(HealthCollector(live, ready))
        pages = _Pages(registry, live, ready)
        try:
            self._server = _BoundedServer(host, port, pages, connection_seconds)
        except OSError as error:
            raise ConfigurationError(
                f"admin_port: cannot listen on {host}:{port} ({error.strerror}); choose another or 0"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="admin", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    def __enter__(self) -> Self:
        """Starts to serve."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True, slots=True)
class _Pages:
    """What there is to ask for."""

    registry: CollectorRegistry
    live: Mapping[str, Check]
    ready: Mapping[str, Check]


class _BoundedServer(ThreadingHTTPServer):
    """Holds a bounded number of connections, each for a bounded time."""

    daemon_threads = True

    def __init__(self, host: str, port: int, pages: _Pages, connection_seconds: float) -> None:
        self.pages = pages
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._connection_seconds = connection_seconds
        self._since: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Turns a connection away where there are enough."""
        with self._lock:
            if len(self._since) >= MAX_CONNECTIONS:
                return False
            self._since[request] = time.monotonic()
            return True

    def shutdown_request(self, request: Any) -> None:
        """Forgets a connection that is over."""
        with self._lock:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cuts what has lasted too long; called twice a second."""
        oldest = time.monotonic() - self._connection_seconds
        with self._lock:
            overdue = [request for request, since in self._since.items() if since < oldest]
        for request in overdue:
            with contextlib.suppress(OSError):  # it ended meanwhile
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says what went wrong, but not of a client that went away: it asks again, or is gone."""
        error = sys.exception()
        if not isinstance(error, OSError):
            log.error("admin_request_failed", exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of three paths."""

    server: _BoundedServer
    server_version = "pairmill"
    sys_version = ""

    def parse_request(self) -> bool:
        """Refuses all other methods."""
        if not super().parse_request():
            return False
        if self.command not in ("GET", "HEAD"):
            self._answer(405, "text/plain", b"only GET and HEAD\n", allow="GET, HEAD")
            return False
        return True

    def do_GET(self) -> None:
        """Answers with a body."""
        path, pages = self.path.partition("?")[0], self.server.pages
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, generate_latest(pages.registry))
        elif path == "/livez":
            self._answer_checks(pages.live)
        elif path == "/readyz":
            self._answer_checks(pages.ready)
        else:
            self._answer(404, "text/plain", b"not found\n")

    def do_HEAD(self) -> None:
        """Answers without."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Says nothing: probes come every few seconds."""

    def _answer_checks(self, checks: Mapping[str, Check]) -> None:
        found = problems(checks)
        ok = not any(found.values())
        body = json.dumps({"ok": ok, "checks": {name: text or "ok" for name, text in found.items()}})
        self._answer(200 if ok else 503, "application/json", body.encode() + b"\n")

    def _answer(self, status: int, content_type: str, body: bytes, allow: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if allow:
            self.send_header("Allow", allow)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
