"""A crawl's list of WATs from a server."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pairmill.errors import ConfigurationError
from pairmill_standalone.crawl_lists import wats_of_crawl

PATHS = [f"crawl-data/CC-TEST/wat/{number:05d}.warc.wat.gz" for number in range(9)]


class _Archive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path == "/crawl-data/CC-TEST/wat.paths.gz"
        body = gzip.compress("".join(f"{path}\n" for path in PATHS).encode()) if known else b""
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        pass


@pytest.fixture
def archive() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Archive)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_wats_of_a_crawl_are_drawn_from_its_published_list(archive: str) -> None:
    drawn = wats_of_crawl("CC-TEST", 4, seed=2, base=archive)
    assert len(drawn) == 4
    assert set(drawn) <= {archive + path for path in PATHS}
    assert drawn == wats_of_crawl("CC-TEST", 4, seed=2, base=archive)


def test_b11_a_crawl_that_is_not_there_is_a_wrong_request(archive: str) -> None:
    with pytest.raises(ConfigurationError, match="404"):
        wats_of_crawl("CC-NONE", 1, seed=0, base=archive)


def test_without_a_network_the_message_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="--paths FILE_OR_URL"):
        wats_of_crawl("CC-TEST", 1, seed=0, base="http://127.0.0.1:9/")
