"""Serves the responses of a WARC on loopback, so that its images can be downloaded once more."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import trustme
from fastwarc.warc import ArchiveIterator, WarcRecordType

_HOP_HEADERS: Final = frozenset(
    {"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A response as it stands in a WARC."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A running replay: where it listens, and what a client has to be told."""

    http_port: int
    https_port: int
    ca_file: Path  # certificate of the authority that signed the server's

    def connect_to(self, urls: Iterable[str]) -> list[str]:
        """Returns a route `HOST=ADDRESS:PORT` for the host of every URL; a host has one scheme."""
        ports = {"http": self.http_port, "https": self.https_port}
        found = {url.split("/")[2]: ports[url.partition(":")[0]] for url in urls}
        return [f"{host}=127.0.0.1:{port}" for host, port in sorted(found.items())]


def recorded_responses(warc: Path) -> dict[str, Recorded]:
    """Returns the first response of each URL of a WARC that is no robots.txt."""
    found: dict[str, Recorded] = {}
    with warc.open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
            headers = record.http_headers
            url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
            if headers is None or url in found or url.endswith("/robots.txt"):
                continue
            kept = tuple((name, value) for name, value in headers if name.lower() not in _HOP_HEADERS)
            body = record.reader.read()
            found[url] = Recorded(status=headers.status_code or 200, headers=kept, body=body)
    return found


@contextmanager
def replay(responses: Mapping[str, Recorded], folder: Path) -> Iterator[Replay]:
    """Serves responses by URL, over http and https; everything else is 404."""
    authority = trustme.CA()
    hosts = sorted({url.split("/")[2] for url in responses})
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    with ExitStack() as stack:
        ports = [
            stack.enter_context(_serving(_handler(scheme, responses), tls))
            for scheme, tls in (("http", None), ("https", context))
        ]
        yield Replay(http_port=ports[0], https_port=ports[1], ca_file=ca_file)


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(scheme: str, responses: Mapping[str, Recorded]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET by the request's host and target."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = f"{scheme}://{self.headers.get('Host', '')}{self.path}"
            found = responses.get(url, Recorded(status=404, headers=(), body=b""))
            self.send_response_only(found.status)
            for name, value in found.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's signature
            """Says nothing."""

    return Handler
