"""A small HTTP server of images on loopback, in a thread of its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ImageServer:
    """Serves bodies by path; counts requests. A path with a list of statuses fails so often first."""

    def __init__(self, bodies: Mapping[str, bytes]) -> None:
        self.bodies = dict(bodies)
        self.failures: dict[str, int] = {}
        self.requests: Counter[str] = Counter()
        self.port = 0

    def reply(self, path: str) -> tuple[int, bytes]:
        self.requests[path] += 1
        if self.failures.get(path, 0) >= self.requests[path]:
            return 503, b"later"
        body = self.bodies.get(path)
        return (404, b"nothing here") if body is None else (200, body)


@contextmanager
def serving(server: ImageServer) -> Iterator[ImageServer]:
    """Runs a server until the end of the context."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = server.reply(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
