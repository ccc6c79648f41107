"""WATs behind http: resumed where they break off, waited for where the server is busy (B1, B11)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pairmill.errors import RetriableError
from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.adapters.http_source import HttpSource
from pairmill_crawler.config import SourceConfig
from pairmill_crawler.crawl import crawl_wat
from pairmill_crawler.ports import SourceMissingError
from tests.unit.crawler.wats import Held, collect, image, order, page_record, wat_of

DATA = wat_of(*[page_record(image(f"/{n}.jpg", f"picture number {n}")) for n in range(400)])

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Site:
    """A server that answers requests in turn, the last answer for ever."""

    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append({name.lower(): value for name, value in handler.headers.items()})
        self.answers[min(len(self.requests), len(self.answers)) - 1](handler)


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/crawl-data/some.warc.wat.gz"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def body(*, until: int | None = None, ranges: bool = True, tag: str = '"one"', data: bytes = DATA) -> Answer:
    """Answers with the file, or from the byte asked for on; breaks off before byte `until`."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and ranges else 0
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start:until])

    return answer


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@dataclass
class Waits:
    """Waits that are only noted."""

    seconds: list[float] = field(default_factory=list)

    def source(self, site: Site, offset: int = 0, attempts: int = 4) -> HttpSource:
        config = SourceConfig(
            attempts=attempts, backoff_seconds=1.0, max_backoff_seconds=8.0, timeout_seconds=20.0
        )
        return HttpSource(site.url, offset, config, sleep=self.seconds.append, jitter=lambda: 1.0)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def test_a_file_is_read_in_one_request(site: Site, waits: Waits) -> None:
    site.answers = [body()]
    source = waits.source(site)
    assert b"".join(source.chunks()) == DATA
    assert source.size == len(DATA)
    assert len(site.requests) == 1
    assert "range" not in site.requests[0]
    assert site.requests[0]["user-agent"].startswith("pairmill/")


@pytest.mark.parametrize("ranges", [True, False], ids=["ranged", "from the start"])
def test_b1_a_body_that_breaks_off_goes_on_where_it_ended(site: Site, waits: Waits, ranges: bool) -> None:
    site.answers = [body(until=1000), body(until=5000, ranges=ranges), body(ranges=ranges)]
    assert b"".join(waits.source(site).chunks()) == DATA
    assert [asked.get("range") for asked in site.requests] == [None, "bytes=1000-", "bytes=5000-"]
    assert site.requests[1]["if-range"] == '"one"'


def test_b1_a_body_that_always_ends_early_ends_there(site: Site, waits: Waits) -> None:
    site.answers = [body(until=9000)]
    source = waits.source(site)
    assert b"".join(source.chunks()) == DATA[:9000]
    assert source.size == len(DATA)
    assert len(site.requests) == 4


def test_b1_a_wat_that_always_ends_early_is_truncated_with_the_offset(site: Site, waits: Waits) -> None:
    site.answers = [body(until=9000)]
    found = collect(
        crawl_wat(order(wat=site.url), lambda _, offset: waits.source(site, offset), detector_named, Held())
    )
    assert found.counts == {"truncated": 1}
    assert 0 < len(found.rows) < 400
    assert {row["wat_file"] for row in found.rows} == {"some.warc.wat.gz"}


def test_reading_may_begin_at_any_offset(site: Site, waits: Waits) -> None:
    site.answers = [body()]
    source = waits.source(site, offset=7000)
    assert b"".join(source.chunks()) == DATA[7000:]
    assert source.size == len(DATA)


def test_b11_a_busy_server_is_asked_again_with_longer_and_longer_waits(site: Site, waits: Waits) -> None:
    site.answers = [status(503), status(500), hang_up, body()]
    assert b"".join(waits.source(site).chunks()) == DATA
    assert waits.seconds == [1.0, 2.0, 4.0]


def test_b11_a_wait_that_the_server_asks_for_is_kept_up_to_a_cap(site: Site, waits: Waits) -> None:
    site.answers = [
        status(503, Retry_After="5"),
        status(429, Retry_After="86400"),
        status(503, Retry_After="x"),
        body(),
    ]
    assert b"".join(waits.source(site).chunks()) == DATA
    assert waits.seconds == [5.0, 8.0, 4.0]


def test_b11_a_server_that_stays_busy_is_no_fault_of_the_unit(site: Site, waits: Waits) -> None:
    site.answers = [status(503)]
    with pytest.raises(RetriableError, match="status 503"):
        list(waits.source(site).chunks())
    assert len(site.requests) == 4


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 451])
def test_b11_a_source_that_is_refused_is_missing(site: Site, waits: Waits, code: int) -> None:
    site.answers = [status(code)]
    with pytest.raises(SourceMissingError, match=str(code)):
        list(waits.source(site).chunks())
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/a b.gz", "http://127.0.0.1:nine/a.gz", "http://127.0.0.1:9/\u00e4.gz"]
)
def test_an_address_that_cannot_be_asked_for_is_missing(waits: Waits, url: str) -> None:
    with pytest.raises(SourceMissingError, match="cannot be used"):
        list(waits.source(Site(url=url)).chunks())
    assert waits.seconds == []


def test_a_source_that_changes_while_it_is_read_is_read_anew(site: Site, waits: Waits) -> None:
    site.answers = [body(until=1000), body(tag='"two"', ranges=False)]
    with pytest.raises(RetriableError, match="changed"):
        list(waits.source(site).chunks())


def test_a_source_that_vanishes_in_the_middle_is_not_missing(site: Site, waits: Waits) -> None:
    site.answers = [body(until=1000), status(404)]
    with pytest.raises(RetriableError, match="after it had begun"):
        list(waits.source(site).chunks())


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/elsewhere"])
def test_redirects_lead_nowhere_but_to_http(site: Site, waits: Waits, target: str) -> None:
    site.answers = [status(302, Location=target), body()]
    if target.startswith("/"):
        assert b"".join(waits.source(site).chunks()) == DATA
    else:
        with pytest.raises(SourceMissingError):
            list(waits.source(site).chunks())


def test_a_host_that_is_not_there_is_waited_for() -> None:
    waits = Waits()
    config = SourceConfig(attempts=2, timeout_seconds=5.0)
    source = HttpSource("http://127.0.0.1:9/x", 0, config, sleep=waits.seconds.append)
    with pytest.raises(RetriableError):
        list(source.chunks())
    assert len(waits.seconds) == 1
