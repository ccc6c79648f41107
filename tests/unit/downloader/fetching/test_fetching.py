"""One attempt at a URL: statuses, redirects, what is asked before and what is reported."""

from __future__ import annotations

import pytest

from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.fetching import NotingGate, answer, failure
from tests.unit.downloader.fetching.fetch_case import PICTURE, ROBOTS, TDMREP, URL, Case, rules

TARGET = "http://cdn.b.example/2.jpg"


def test_picture_arrives_with_its_evidence() -> None:
    case = Case({URL: answer(body=PICTURE, content_type="image/jpeg")})
    end = case.fetch()
    assert end.reason == Reason.REASON_UNSPECIFIED
    assert end.body == PICTURE
    assert (end.http_status, end.content_type, end.final_url) == (200, "image/jpeg", URL)
    assert (end.robots, end.requests) == ("robots.txt 404", 1)
    assert end.fetched_at is not None
    assert case.client.urls == [ROBOTS, TDMREP, URL]


def test_second_url_of_an_origin_asks_for_nothing_else() -> None:
    case = Case({URL: answer(body=PICTURE)})
    case.fetch(times=3)
    assert case.client.urls == [ROBOTS, TDMREP, URL, URL, URL]


def test_requests_beyond_the_turn_wait_in_the_gate() -> None:
    case = Case({URL: answer(body=PICTURE)})
    case.fetch(times=2)
    assert case.gate.further == [("www.a.example", 1), ("www.a.example", 1)]


def test_says_who_asks_and_under_which_limits() -> None:
    case = Case({URL: answer(body=PICTURE)})
    case.fetch(given=rules(user_agent="tester/1", deadline_seconds=7.0, max_body_bytes=9999))
    request = case.client.requests[-1]
    assert request.user_agent == "tester/1"
    assert (request.total_seconds, request.max_body_bytes, request.cuts_body) == (7.0, 9999, False)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, Reason.REASON_HTTP_4XX),
        (403, Reason.REASON_HTTP_4XX),
        (451, Reason.REASON_HTTP_4XX),
        (429, Reason.REASON_HTTP_429),
        (500, Reason.REASON_HTTP_5XX),
        (503, Reason.REASON_HTTP_5XX),
        (201, Reason.REASON_BAD_STATUS),
        (204, Reason.REASON_BAD_STATUS),
        (206, Reason.REASON_BAD_STATUS),
        (300, Reason.REASON_BAD_STATUS),
        (301, Reason.REASON_BAD_STATUS),
        (304, Reason.REASON_BAD_STATUS),
        (101, Reason.REASON_BAD_STATUS),
        (600, Reason.REASON_BAD_STATUS),
    ],
)
def test_d15_status(status: int, reason: Reason.ValueType) -> None:
    case = Case({URL: answer(status, PICTURE)})
    end = case.fetch()
    assert (end.reason, end.http_status, end.body) == (reason, status, b"")
    assert URL not in case.client.bodies_read


def test_small_body_is_too_small() -> None:
    assert Case({URL: answer(body=b"x")}).fetch().reason == Reason.REASON_BODY_TOO_SMALL
    assert Case({URL: answer()}).fetch(given=rules(min_body_bytes=0)).reason == Reason.REASON_UNSPECIFIED


@pytest.mark.parametrize(
    "reason", [Reason.REASON_RESET, Reason.REASON_TIMEOUT_FIRST_BYTE, Reason.REASON_TRUNCATED_BODY]
)
def test_failure_of_the_request_is_passed_on(reason: Reason.ValueType) -> None:
    end = Case({URL: failure(reason)}).fetch()
    assert (end.reason, end.detail, end.fetched_at) == (reason, "as told", None)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://a.example/x", Reason.REASON_BAD_SCHEME),
        ("http://a.example:22/x", Reason.REASON_BLOCKED_PORT),
        ("http://a.example/%0d%0a", Reason.REASON_BAD_URL),
        ("nonsense", Reason.REASON_BAD_URL),
    ],
)
def test_c6_c9_c10_refused_url_is_not_asked_for(url: str, reason: Reason.ValueType) -> None:
    case = Case({})
    assert case.fetch(url).reason == reason
    assert case.client.urls == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_followed_with_the_consent_of_the_new_host(status: int) -> None:
    case = Case({URL: answer(status, location=TARGET), TARGET: answer(body=PICTURE)}, partitions=8)
    end = case.fetch()
    assert (end.body, end.final_url, end.requests) == (PICTURE, TARGET, 2)
    assert case.client.urls[3:] == [
        "http://cdn.b.example/robots.txt",
        "http://cdn.b.example/.well-known/tdmrep.json",
        TARGET,
    ]


def test_u10_redirect_that_leaves_the_domain_takes_a_part_of_its_rate() -> None:
    within = "http://img.a.example/2.jpg"
    case = Case(
        {
            URL: answer(302, location=within),
            within: answer(302, location=TARGET),
            TARGET: answer(body=PICTURE),
        },
        partitions=8,
    )
    case.fetch(given=rules(honour_robots=False, honour_tdm=False))
    assert case.gate.further == [("img.a.example", 1), ("cdn.b.example", 8)]


def test_redirect_to_a_host_that_is_not_free_ends_as_a_time_out() -> None:
    case = Case({URL: answer(302, location=TARGET)}, gate=NotingGate(admits=False))
    end = case.fetch(given=rules(honour_robots=False, honour_tdm=False))
    assert end.reason == Reason.REASON_TIMEOUT_TOTAL
    assert TARGET not in case.client.urls


def test_relative_redirect_is_resolved() -> None:
    case = Case(
        {
            URL: answer(302, location="../big/1.jpg#x"),
            "http://www.a.example/big/1.jpg": answer(body=PICTURE),
        }
    )
    assert case.fetch().body == PICTURE


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://f.example/a", "javascript:alert(1)", "http://mail.example:25/a.jpg"],
)
def test_c5_redirect_to_a_refused_scheme_or_port_is_blocked(location: str) -> None:
    end = Case({URL: answer(302, location=location)}).fetch()
    assert (end.reason, end.http_status) == (Reason.REASON_BLOCKED_REDIRECT, 302)


def test_c5_redirect_to_a_refused_address_is_blocked() -> None:
    private = "http://10.0.0.1/photo.jpg"
    case = Case(
        {
            URL: answer(302, location=private),
            "http://10.0.0.1/robots.txt": failure(Reason.REASON_BLOCKED_ADDRESS),
        }
    )
    assert case.fetch().reason == Reason.REASON_BLOCKED_REDIRECT


def test_redirect_to_no_address_is_a_bad_status() -> None:
    assert Case({URL: answer(302, location="http://")}).fetch().reason == Reason.REASON_BAD_STATUS


def test_c7_loop_ends_at_its_first_turn() -> None:
    case = Case({URL: answer(302, location=URL)})
    assert case.fetch().reason == Reason.REASON_TOO_MANY_REDIRECTS
    assert case.client.urls.count(URL) == 1


def test_c7_chain_is_followed_as_far_as_the_job_says() -> None:
    hops = {f"http://h{n}.example/": answer(302, location=f"http://h{n + 1}.example/") for n in range(50)}
    end = Case(hops).fetch("http://h0.example/", rules(max_redirects=3))
    assert (end.reason, end.requests) == (Reason.REASON_TOO_MANY_REDIRECTS, 4)
    last = {**hops, "http://h3.example/": answer(body=PICTURE)}
    assert Case(last).fetch("http://h0.example/", rules(max_redirects=3)).body == PICTURE


def test_c7_robots_of_the_new_host_are_obeyed() -> None:
    closed = answer(body=b"User-agent: *\nDisallow: /")
    case = Case({URL: answer(302, location=TARGET), "http://cdn.b.example/robots.txt": closed})
    assert case.fetch().reason == Reason.REASON_ROBOTS_DISALLOWED
    assert TARGET not in case.client.urls


def test_d1_redirects_share_one_deadline() -> None:
    slow = {f"http://h{n}.example/": answer(302, location=f"http://h{n + 1}.example/") for n in range(9)}
    case = Case(slow, seconds=4.0)
    given = rules(honour_robots=False, honour_tdm=False, deadline_seconds=10.0, max_redirects=9)
    end = case.fetch("http://h0.example/", given)
    assert (end.reason, end.requests) == (Reason.REASON_TIMEOUT_TOTAL, 3)
    assert [request.total_seconds for request in case.client.requests] == [10.0, 6.0, 2.0]


def test_d6_retry_after_pauses_the_host_up_to_the_cap_and_is_reported_whole() -> None:
    case = Case({URL: answer(429, retry_after="86400")})
    end = case.fetch(given=rules(retry_after_cap_seconds=300.0))
    assert end.retry_after_seconds == 86400
    assert case.gate.pauses == [("www.a.example", 300.0)]


@pytest.mark.parametrize("value", ["soon", "-1", ""])
def test_d6_retry_after_that_says_nothing_pauses_nobody(value: str) -> None:
    case = Case({URL: answer(503, retry_after=value)})
    assert case.fetch().retry_after_seconds is None
    assert case.gate.pauses == []


def test_retry_after_of_a_page_that_is_not_there_is_passed_over() -> None:
    assert Case({URL: answer(404, retry_after="10")}).fetch().retry_after_seconds is None


def test_what_a_server_says_is_shown_as_plain_text() -> None:
    end = Case({URL: answer(body=PICTURE, content_type="image/\udcff\0jpeg")}).fetch()
    assert end.content_type == "image/?\N{REPLACEMENT CHARACTER}jpeg"


def test_detail_is_kept_short() -> None:
    end = Case({URL: answer(302, location="x" * 400 + "://y")}).fetch()
    assert len(end.detail) <= 300
