"""The admin port: `/metrics`, `/livez`, `/readyz`."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from pairmill.errors import ConfigurationError

Check = Callable[[], str | None]
"""Returns a problem, or None."""


class AdminServer:
    """Serves measures and health on a thread of its own; a context manager."""

    def __init__(
        self,
        *,
        port: int,
        registry: CollectorRegistry,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
        host: str = "127.0.0.1",
    ) -> None:
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(registry, live, ready))
        except OSError as error:
            raise ConfigurationError(
                f"admin_port: cannot listen on {host}:{port} ({error.strerror}); choose another or 0"
            ) from error
        self._server.daemon_threads = True
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


def _problem(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that cannot be made is a problem to show
        return f"{type(error).__name__}: {error}"


def _handler(
    registry: CollectorRegistry, live: Mapping[str, Check], ready: Mapping[str, Check]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET."""

        timeout = 10  # seconds for a whole request, so that slow clients do not pile up

        def do_GET(self) -> None:
            """Answers one of the three paths."""
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif path == "/livez":
                self._answer_checks(live)
            elif path == "/readyz":
                self._answer_checks(ready)
            else:
                self._answer(404, "text/plain", b"not found\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
            """Says nothing: probes come every few seconds."""

        def _answer_checks(self, checks: Mapping[str, Check]) -> None:
            problems = {name: _problem(check) for name, check in checks.items()}
            ok = not any(problems.values())
            body = json.dumps({"ok": ok, "checks": {name: text or "ok" for name, text in problems.items()}})
            self._answer(200 if ok else 503, "application/json", body.encode() + b"\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
