"""Consent, asked before a byte is kept (D8, D9, D10)."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from pairmill_downloader.fetching.config import FetchConfig
from pairmill_downloader.fetching.exchange import Exchange
from pairmill_downloader.fetching.gate import PoliteGate
from pairmill_downloader.ports import FetchEnd
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.fetching import answer, failure
from tests.fakes.virtual_time import VirtualClock, run_virtually
from tests.unit.downloader.fetching.fetch_case import PICTURE, ROBOTS, TDMREP, URL, Case, rules

CLOSED = answer(body=b"User-agent: *\nDisallow: /img/")
GOOD = answer(body=PICTURE)


def fetch(robots: Exchange) -> tuple[FetchEnd, Case]:
    case = Case({ROBOTS: robots, URL: GOOD})
    return case.fetch(), case


def test_d8_what_robots_forbid_is_not_asked_for() -> None:
    end, case = fetch(CLOSED)
    assert (end.reason, end.robots, end.requests) == (Reason.REASON_ROBOTS_DISALLOWED, "robots.txt 200", 0)
    assert case.client.urls == [ROBOTS]


def test_d8_rules_for_our_token_count() -> None:
    text = b"User-agent: *\nDisallow: /\n\nUser-agent: tester\nAllow: /\n"
    case = Case({ROBOTS: answer(body=text), URL: GOOD})
    assert case.fetch(given=rules(user_agent_token="tester")).reason == Reason.REASON_UNSPECIFIED
    assert case.fetch(given=rules(user_agent_token="other")).reason == Reason.REASON_ROBOTS_DISALLOWED


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_d8_file_that_is_not_there_allows(status: int) -> None:
    end, _ = fetch(answer(status, retry_after="100"))
    assert (end.reason, end.robots) == (Reason.REASON_UNSPECIFIED, f"robots.txt {status}")


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_d8_server_error_closes_the_host_for_now(status: int) -> None:
    end, case = fetch(answer(status, retry_after="7"))
    assert (end.reason, end.robots) == (Reason.REASON_ROBOTS_UNREACHABLE, f"robots.txt {status}")
    assert (end.retry_after_seconds, case.gate.pauses) == (7, [("www.a.example", 7)])
    assert URL not in case.client.urls


@pytest.mark.parametrize(
    "reason",
    [
        Reason.REASON_TIMEOUT_FIRST_BYTE,
        Reason.REASON_TIMEOUT_TOTAL,
        Reason.REASON_RESET,
        Reason.REASON_BAD_RESPONSE,
        Reason.REASON_TRUNCATED_BODY,
    ],
)
def test_d8_file_that_breaks_off_closes_the_host_for_now(reason: Reason.ValueType) -> None:
    end, _ = fetch(failure(reason))
    assert end.reason == Reason.REASON_ROBOTS_UNREACHABLE


@pytest.mark.parametrize(
    "reason",
    [
        Reason.REASON_DNS_NOT_FOUND,
        Reason.REASON_DNS_ERROR,
        Reason.REASON_CONNECTION_REFUSED,
        Reason.REASON_TIMEOUT_CONNECT,
        Reason.REASON_TLS_ERROR,
        Reason.REASON_BLOCKED_ADDRESS,
    ],
)
def test_host_that_cannot_be_reached_is_the_urls_own_failure(reason: Reason.ValueType) -> None:
    end, case = fetch(failure(reason))
    assert end.reason == reason
    assert case.client.urls == [ROBOTS]


def test_d8_five_redirects_are_followed_to_any_host() -> None:
    chain = {f"http://r{n}.example/": answer(301, location=f"http://r{n + 1}.example/") for n in range(1, 5)}
    case = Case(
        {**chain, ROBOTS: answer(301, location="http://r1.example/"), "http://r5.example/": CLOSED, URL: GOOD}
    )
    assert case.fetch().reason == Reason.REASON_ROBOTS_DISALLOWED


def test_d8_six_redirects_are_as_if_nothing_was_there() -> None:
    chain = {f"http://r{n}.example/": answer(301, location=f"http://r{n + 1}.example/") for n in range(1, 9)}
    case = Case({**chain, ROBOTS: answer(301, location="http://r1.example/"), URL: GOOD})
    end = case.fetch()
    assert (end.reason, end.robots) == (Reason.REASON_UNSPECIFIED, "robots.txt 301")
    assert "http://r6.example/" not in case.client.urls


def test_redirect_of_robots_to_a_refused_address_closes_the_host() -> None:
    end, _ = fetch(answer(301, location="file:///etc/passwd"))
    assert end.reason == Reason.REASON_ROBOTS_UNREACHABLE


def test_job_may_not_honour_robots() -> None:
    case = Case({ROBOTS: CLOSED, URL: GOOD})
    end = case.fetch(given=rules(honour_robots=False, honour_tdm=False))
    assert (end.body, end.robots) == (PICTURE, "")
    assert case.client.urls == [URL]


def test_d9_change_is_honoured_within_the_cache_time() -> None:
    case = Case({ROBOTS: [answer(404), CLOSED], URL: GOOD}, config=FetchConfig(robots_ttl_seconds=100.0))

    async def test(clock: VirtualClock) -> list[Reason.ValueType]:
        fetcher, ends = case.fetcher(clock), []
        for seconds in (0.0, 99.0, 2.0):
            clock.sleep(seconds)
            ends.append((await fetcher.fetch(URL, rules())).reason)
        return ends

    assert run_virtually(test) == [0, 0, Reason.REASON_ROBOTS_DISALLOWED]


def test_failure_is_asked_again_before_the_row_is_tried_again() -> None:
    case = Case({ROBOTS: [answer(500), answer(404)], URL: GOOD})

    async def test(clock: VirtualClock) -> list[Reason.ValueType]:
        fetcher, ends = case.fetcher(clock), []
        for seconds in (0.0, 0.1, 0.5):
            clock.sleep(seconds)
            given = rules()
            given.retry_delay_seconds[:] = [1.0]
            ends.append((await fetcher.fetch(URL, given)).reason)
        return ends

    assert run_virtually(test) == [Reason.REASON_ROBOTS_UNREACHABLE] * 2 + [0]


def test_concurrent_requests_share_one_robots_txt_and_keep_their_distance() -> None:
    case = Case({URL: GOOD}, seconds=0.1)
    given = rules(host_delay_seconds=1.0, host_connections=4)

    async def test(clock: VirtualClock) -> None:
        gate = PoliteGate(clock)
        fetcher = case.fetcher(clock, gate)

        async def one() -> None:
            async with gate.turn("www.a.example", "a.example", given, deadline=1e6):
                assert (await fetcher.fetch(URL, given)).body == PICTURE

        await asyncio.gather(*(one() for _ in range(4)))

    run_virtually(test)
    assert sorted(case.client.urls) == sorted([ROBOTS, TDMREP, URL, URL, URL, URL])
    starts = case.client.starts
    assert all(later - earlier >= 0.999 for earlier, later in itertools.pairwise(starts))


def test_crawl_delay_is_kept_up_to_the_cap() -> None:
    text = b"User-agent: *\nCrawl-delay: 900\n"
    case = Case({ROBOTS: answer(body=text), URL: GOOD}, config=FetchConfig(crawl_delay_cap_seconds=20.0))
    case.fetch(given=rules(honour_tdm=False))
    assert case.gate.pauses == [("www.a.example", 20.0), ("www.a.example", 20.0)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"x_robots_tag": "otherbot: noindex, pairmill: noimageai"}, Reason.REASON_OPT_OUT_HEADER),
        ({"x_robots_tag": "noindex"}, Reason.REASON_OPT_OUT_HEADER),
        ({"tdm_reservation": "1"}, Reason.REASON_OPT_OUT_TDM),
        ({"content_usage": "train-ai=n"}, Reason.REASON_OPT_OUT_AIPREF),
    ],
)
def test_d10_header_forbids_before_a_byte_is_read(fields: dict[str, str], reason: Reason.ValueType) -> None:
    case = Case({URL: answer(200, PICTURE, **fields)})
    end = case.fetch()
    assert (end.reason, end.body, end.http_status) == (reason, b"", 200)
    assert URL not in case.client.bodies_read


@pytest.mark.parametrize(
    "fields",
    [
        {"x_robots_tag": "otherbot: noai"},
        {"x_robots_tag": "max-image-preview: large"},
        {"tdm_reservation": "0"},
        {"content_usage": "train-ai=y"},
        {"x_robots_tag": "nofollow"},
    ],
)
def test_header_that_forbids_nothing_is_passed_over(fields: dict[str, str]) -> None:
    assert Case({URL: answer(200, PICTURE, **fields)}).fetch().body == PICTURE


def test_job_may_not_honour_headers() -> None:
    fields = {"x_robots_tag": "noai", "tdm_reservation": "1", "content_usage": "train-ai=n"}
    given = rules(honour_tdm=False, honour_aipref=False)
    del given.forbidding_directives[:]
    assert Case({URL: answer(200, PICTURE, **fields)}).fetch(given=given).body == PICTURE


def test_d10_opt_out_on_a_redirect_counts() -> None:
    case = Case({URL: answer(302, location="/2.jpg", x_robots_tag="noai")})
    assert case.fetch().reason == Reason.REASON_OPT_OUT_HEADER


def test_opt_out_on_an_error_page_says_nothing_of_the_picture() -> None:
    assert Case({URL: answer(503, x_robots_tag="noindex")}).fetch().reason == Reason.REASON_HTTP_5XX


def test_d10_tdmrep_reserves_before_the_picture_is_asked_for() -> None:
    case = Case({TDMREP: answer(body=b'[{"location": "/img/", "tdm-reservation": 1}]'), URL: GOOD})
    assert case.fetch(times=2).reason == Reason.REASON_OPT_OUT_TDM
    assert case.client.urls == [ROBOTS, TDMREP]


@pytest.mark.parametrize("found", [answer(500), failure(Reason.REASON_RESET), answer(body=b"<html>")])
def test_tdmrep_that_cannot_be_had_reserves_nothing(found: Exchange) -> None:
    assert Case({TDMREP: found, URL: GOOD}).fetch().body == PICTURE


def test_tdmrep_is_not_asked_for_where_robots_forbid_it() -> None:
    case = Case({ROBOTS: answer(body=b"User-agent: *\nDisallow: /.well-known/"), URL: GOOD})
    assert case.fetch().body == PICTURE
    assert TDMREP not in case.client.urls


def test_d10_usage_line_in_robots_forbids() -> None:
    text = b"User-agent: *\nContent-Usage: train-ai=n\nAllow: /\n"
    end, case = fetch(answer(body=text))
    assert end.reason == Reason.REASON_OPT_OUT_AIPREF
    assert URL not in case.client.urls
