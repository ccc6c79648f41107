"""Every way in which the synthetic web answers, seen from the wire."""

from __future__ import annotations

import gzip
import io
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.serving.wire import Pace
from pairmill_synthweb.web import SyntheticWeb
from pairmill_synthweb.world import ALWAYS, Answer, Resource, RobotsPolicy, World
from tests.fakes.painter import FakePainter
from tests.fakes.processes import wait_until
from tests.integration.synthweb.raw_client import RawAnswer, ask
from tests.unit.synthweb.worlds import world

BRISK = Pace(first_byte=0.1, between=0.02, drip=0.02, patience=10.0)


def files(of: World) -> PictureFiles:
    return PictureFiles(of.seed, of.redraws, FakePainter())


@pytest.fixture(scope="module")
def web() -> Iterator[SyntheticWeb]:
    with SyntheticWeb(world(), files(world()), pace=BRISK) as running:
        yield running


def first(kind: str) -> Resource:
    return next(resource for resource in world().resources if resource.kind == kind)


def answering(answer: Answer) -> Resource:
    return next(
        resource for resource in world().resources if resource.answer is answer and not resource.failures
    )


def get(web: SyntheticWeb, resource: Resource, *, seconds: float = 5.0, most_bytes: int = 2**23) -> RawAnswer:
    return ask(web.port, resource.host, resource.target, seconds=seconds, most_bytes=most_bytes)


def test_a_picture_arrives_whole_under_its_type(web: SyntheticWeb) -> None:
    resource = first("png")
    answer = get(web, resource)
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/png"
    assert len(answer.body) == int(answer.headers["content-length"])
    assert Image.open(io.BytesIO(answer.body)).format == "PNG"


def test_the_same_request_gives_the_same_bytes(web: SyntheticWeb) -> None:
    assert get(web, first("webp")).data == get(web, first("webp")).data


def test_a_connection_serves_several_requests(web: SyntheticWeb) -> None:
    resource = first("not_found")
    request = f"GET {resource.target} HTTP/1.1\r\nHost: {resource.host}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as connection:
        for _ in range(3):
            connection.sendall(request)
            assert b"404 Not Found" in connection.recv(2**16)


def test_a_head_request_gets_no_body(web: SyntheticWeb) -> None:
    resource = first("png")
    answer = ask(web.port, resource.host, resource.target, method="HEAD", seconds=0.5)
    assert answer.status == 200
    assert answer.body == b""


def test_a_gzipped_picture_inflates_to_the_picture(web: SyntheticWeb) -> None:
    resource = answering(Answer.GZIPPED)
    answer = get(web, resource)
    assert answer.headers["content-encoding"] == "gzip"
    assert resource.picture is not None
    assert gzip.decompress(answer.body) == files(world()).bytes_of(resource.picture)


def test_d1_a_slow_answer_is_late_and_whole(web: SyntheticWeb) -> None:
    answer = get(web, answering(Answer.SLOW))
    assert answer.first_byte_seconds >= BRISK.first_byte
    assert len(answer.body) == int(answer.headers["content-length"])


def test_d1_a_dripping_answer_does_not_end(web: SyntheticWeb) -> None:
    answer = get(web, first("drip"), seconds=0.6)
    assert not answer.ended
    assert 0 < len(answer.body) < int(answer.headers["content-length"])


def test_d2_a_silent_answer_never_begins(web: SyntheticWeb) -> None:
    answer = get(web, first("silent"), seconds=0.4)
    assert answer.data == b""
    assert not answer.ended


def test_d2_a_reset_is_a_reset(web: SyntheticWeb) -> None:
    assert get(web, first("always_reset")).was_reset


def test_d2_a_port_refuses_connections(web: SyntheticWeb) -> None:
    port = int(next(text for text in web.connect_to if text.startswith("refused")).rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_d3_a_short_answer_ends_before_its_declared_length(web: SyntheticWeb) -> None:
    answer = get(web, first("always_short"))
    assert answer.status == 200
    assert answer.ended
    assert 0 < len(answer.body) < int(answer.headers["content-length"])


def test_d3_an_oversized_answer_declares_and_sends_more_than_is_read(web: SyntheticWeb) -> None:
    answer = get(web, answering(Answer.OVERSIZED))
    assert len(answer.body) == int(answer.headers["content-length"]) > world().rules.max_body_bytes


def test_d3_an_endless_answer_goes_on(web: SyntheticWeb) -> None:
    limit = world().rules.max_body_bytes * 3
    answer = get(web, answering(Answer.ENDLESS), most_bytes=limit)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert len(answer.data) >= limit


def test_d4_an_inflating_answer_is_small_and_inflates_over_every_limit(web: SyntheticWeb) -> None:
    answer = get(web, answering(Answer.INFLATING))
    assert len(answer.body) < world().rules.max_body_bytes // 4
    assert len(gzip.decompress(answer.body)) > world().rules.max_body_bytes * 10


def test_d5_bodies_are_sent_under_the_type_of_a_picture(web: SyntheticWeb) -> None:
    answer = get(web, first("html"))
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.body.startswith(b"<!DOCTYPE html>")


def test_d14_headers_go_over_every_limit(web: SyntheticWeb) -> None:
    answer = get(web, answering(Answer.LONG_HEADERS))
    assert len(answer.data.partition(b"\r\n\r\n")[0]) > 256 * 1024


def test_garbage_is_not_http(web: SyntheticWeb) -> None:
    assert not get(web, answering(Answer.GARBAGE)).data.startswith(b"HTTP/")


@pytest.mark.parametrize("status", [204, 206, 304])
def test_d15_statuses_without_a_body(web: SyntheticWeb, status: int) -> None:
    resource = next(r for r in world().resources if r.kind == "odd_status" and r.status == status)
    answer = get(web, resource)
    assert (answer.status, answer.body) == (status, b"")


def test_c7_a_redirect_names_where_to(web: SyntheticWeb) -> None:
    answer = get(web, first("redirected"))
    assert answer.status == 200 or answer.headers["location"].startswith("http://")
    hop = next(r for r in world().resources if r.answer is Answer.REDIRECT)
    assert get(web, hop).headers["location"] == dict(hop.headers)["Location"]


def test_d6_retry_after_is_sent(web: SyntheticWeb) -> None:
    answer = get(web, first("retry_tomorrow"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "86400")


def test_d7_a_failing_resource_heals_and_stays_well(web: SyntheticWeb) -> None:
    resource = next(r for r in world().resources if r.kind == "heals_503" and r.failures == 3)
    statuses = [get(web, resource).status for _ in range(6)]
    assert statuses == [503, 503, 503, 200, 200, 200]


def test_d7_a_resource_that_healed_is_well_after_a_restart(tmp_path: Path) -> None:
    resource = next(r for r in world().resources if r.kind == "heals_500" and r.failures == 2)
    seen = []
    for _ in range(4):
        with SyntheticWeb(world(), files(world()), state=tmp_path / "failures") as web:
            seen.append(get(web, resource).status)
    assert seen == [500, 500, 200, 200]


@pytest.mark.parametrize("policy", [p for p in RobotsPolicy if p is not RobotsPolicy.SILENT])
def test_d8_robots_txt(web: SyntheticWeb, policy: RobotsPolicy) -> None:
    host = next(host for host in world().hosts.values() if host.robots is policy)
    answer = ask(web.port, host.name, "/robots.txt")
    expected = {
        RobotsPolicy.MISSING: 404,
        RobotsPolicy.FORBIDDEN: 403,
        RobotsPolicy.BROKEN: 500,
        RobotsPolicy.MOVED: 301,
    }
    assert answer.status == expected.get(policy, 200)
    if policy is RobotsPolicy.MOVED:
        moved = ask(web.port, host.name, answer.headers["location"])
        assert b"User-agent: pairmill" in moved.body
    if answer.status == 200:
        assert b"User-agent: *" in answer.body


def test_d8_a_silent_host_never_answers_for_robots_txt(web: SyntheticWeb) -> None:
    host = next(host for host in world().hosts.values() if host.robots is RobotsPolicy.SILENT)
    assert ask(web.port, host.name, "/robots.txt", seconds=0.3).data == b""


def test_tdm_reservations_stand_in_a_file(web: SyntheticWeb) -> None:
    host = next(host for host in world().hosts.values() if host.tdm_path)
    answer = ask(web.port, host.name, "/.well-known/tdmrep.json")
    assert json.loads(answer.body) == [{"location": f"{host.tdm_path}*", "tdm-reservation": 1}]
    other = next(host for host in world().hosts.values() if not host.tdm_path)
    assert ask(web.port, other.name, "/.well-known/tdmrep.json").status == 404


def test_d10_headers_say_no(web: SyntheticWeb) -> None:
    assert "noai" in get(web, first("robots_tag")).headers["x-robots-tag"]
    assert get(web, first("tdm_header")).headers["tdm-reservation"] == "1"
    assert get(web, first("aipref")).headers["content-usage"] == "train-ai=n"


def test_an_unknown_host_or_path_is_not_found_and_noted(web: SyntheticWeb) -> None:
    assert ask(web.port, "nobody.example", "/a.jpg").status == 404
    assert ask(web.port, first("png").host, "/img/none.png").status == 404
    assert "nobody.example/a.jpg" in web.journal.unknown_urls()


def test_bytes_that_are_no_request_end_the_connection(web: SyntheticWeb) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01\r\n\r\n")
        assert connection.recv(100) == b""


def test_d11_the_journal_sees_who_was_impolite() -> None:
    closed = next(resource for resource in world().resources if resource.closed)
    with SyntheticWeb(world(), files(world())) as web:
        ask(web.port, closed.host, "/robots.txt")
        get(web, closed)
        open_resource = next(r for r in world().resources if r.kind == "png" and r.host != closed.host)
        get(web, open_resource)
        found = {(entry.kind, entry.url) for entry in web.journal.violations()}
        host = web.journal.hosts()[closed.host]
    assert ("closed", closed.url) in found
    assert ("robots_not_asked", closed.url) not in found
    assert ("robots_not_asked", open_resource.url) in found
    assert (host.requests, host.robots, host.pictures, host.most_at_once) == (2, 1, 1, 1)
    assert host.least_gap_seconds() > 0


def test_leaving_ends_answers_that_would_never_end() -> None:
    silent = next(r for r in world().resources if r.failures == ALWAYS and r.failure is Answer.SILENT)
    with SyntheticWeb(world(), files(world())) as web:
        connection = socket.create_connection(("127.0.0.1", web.port), timeout=5)
        connection.sendall(f"GET {silent.target} HTTP/1.1\r\nHost: {silent.host}\r\n\r\n".encode())
        wait_until(lambda: bool(web.journal.hosts()))
        started = time.monotonic()
    with connection:
        assert connection.recv(10) == b""
    assert time.monotonic() - started < 5


def test_c1_private_addresses_are_no_hosts_of_this_web() -> None:
    private = [candidate for candidate in world().candidates if candidate.kind == "private_address"]
    assert private
    assert all(candidate.resource is None for candidate in private)
