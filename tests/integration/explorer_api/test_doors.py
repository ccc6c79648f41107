"""Who is let in over HTTP, and what a page of another site can do."""

from __future__ import annotations

import base64
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from pairmill_explorer.http.sessions import Sessions
from tests.fakes.clock import ManualClock
from tests.fakes.explorer_served import Answer, Explored, exploring
from tests.fakes.processes import wait_until
from tests.fakes.rpc import TokenFile

SEARCH = "SearchService/Search"
JSON = {"Content-Type": "application/json"}
GUARDED = (
    ("GET", "/indices-list"),
    ("GET", "/config.json"),
    ("GET", "/metrics-summary"),
    ("GET", "/metrics"),
    ("POST", "/knn-service"),
    ("POST", "/metadata"),
    ("GET", "/api/v1/images/demo/1"),
)


def token_of(served: Explored) -> str:
    assert served.tokens is not None
    return served.tokens.tokens["read"]


def log_in(served: Explored, token: str, **headers: str) -> Answer:
    body = f'{{"token": "{token}"}}'.encode()
    return served.ask("POST", "/login", body, headers={**JSON, **headers})


def cookie_of(answer: Answer) -> str:
    (morsel,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return f"{morsel.key}={morsel.value}"


@pytest.mark.parametrize(("verb", "path"), GUARDED)
def test_h3_every_other_address_asks_for_a_token_too(one: Explored, verb: str, path: str) -> None:
    assert one.ask(verb, path, b"{}").status == 401
    assert one.ask(verb, path, b'{"num_images": 1, "ids": []}', caller="read").status == 200


def test_the_page_needs_none_so_that_one_can_log_in(one: Explored) -> None:
    assert one.ask("GET", "/").status == 200
    assert one.ask("GET", "/healthz").body == b"ok\n"


def test_a_client_that_knows_addresses_only_brings_its_token_as_a_password(one: Explored) -> None:
    pair = base64.b64encode(f"any:{token_of(one)}".encode()).decode()
    assert one.ask("GET", "/indices-list", headers={"Authorization": f"Basic {pair}"}).status == 200
    for wrong in ("Basic", "Basic !!", "Basic YWJj", "Digest x"):
        assert one.ask("GET", "/indices-list", headers={"Authorization": wrong}).status == 401


def test_a_browser_logs_in_once_and_scripts_cannot_read_its_session(one: Explored) -> None:
    answer = log_in(one, token_of(one), Origin=f"http://{one.host}")
    assert answer.status == 204
    (morsel,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Strict", "/")
    assert token_of(one) not in answer.headers["Set-Cookie"]
    session = {"Cookie": cookie_of(answer)}
    assert one.call(SEARCH, {}, **session).status == 200
    assert one.call("SubsetService/StartExport", {}, **session).status == 403  # a reader's session
    gone = one.ask("POST", "/logout", b"", headers=session)
    assert (gone.status, 'pairmill=""' in gone.headers["Set-Cookie"]) == (204, True)


@pytest.mark.parametrize("token", ["", "pmt_wrong", "x" * 3000])
def test_h3_a_wrong_token_opens_no_session(one: Explored, token: str) -> None:
    answer = log_in(one, token)
    assert (answer.status, "Set-Cookie" in answer.headers) == (401, False)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"token": 3}', b'{"token": "a", "x": 1}', b"\xff"])
def test_h2_a_login_that_is_none_is_refused(one: Explored, body: bytes) -> None:
    assert one.ask("POST", "/login", body, headers=JSON).status == 400
    assert one.ask("POST", "/login", b"x" * 5000, headers=JSON).status == 413


@pytest.mark.parametrize("cookie", ["pairmill=", "pairmill=abc", "pairmill=" + "A" * 96, "other=1"])
def test_h3_a_session_that_nobody_opened_lets_nobody_in(one: Explored, cookie: str) -> None:
    assert one.call(SEARCH, {}, Cookie=cookie).status == 401


def test_h3_a_session_ends_with_its_token(served: Explored, tokens: TokenFile) -> None:
    session = {"Cookie": cookie_of(log_in(served, tokens.tokens["read"]))}
    assert served.call(SEARCH, {}, **session).status == 200
    tokens.path.write_text("")
    wait_until(lambda: served.call(SEARCH, {}, **session).status == 401)


def test_sessions_are_good_in_every_replica_with_the_same_key(tokens: TokenFile, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    with (
        exploring(tokens, http={"session_key_file": key}) as one,
        exploring(tokens, http={"session_key_file": key}) as other,
        exploring(tokens) as stranger,
    ):
        session = {"Cookie": cookie_of(log_in(one, tokens.tokens["read"]))}
        assert other.call(SEARCH, {}, **session).status == 200
        assert stranger.call(SEARCH, {}, **session).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_page_of_another_site_cannot_use_a_session(one: Explored, headers: dict[str, str]) -> None:
    session = {"Cookie": cookie_of(log_in(one, token_of(one)))}
    assert one.call(SEARCH, {}, **session, **headers).status == 403
    assert one.ask("GET", "/api/v1/images/demo/1", headers={**session, **headers}).status == 403
    assert log_in(one, token_of(one), **headers).status == 403


def test_a_form_of_another_site_cannot_call(one: Explored) -> None:
    """A form sends no JSON; a browser that says nothing of its origin is refused by that."""
    session = {"Cookie": cookie_of(log_in(one, token_of(one)))}
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {**session, "Content-Type": kind}
        assert one.ask("POST", f"/api/v1/{SEARCH}", b"{}", headers=headers).status == 400


def test_on_a_laptop_nobody_is_asked_and_only_this_machine_is_served(laptop: Explored) -> None:
    assert laptop.call(SEARCH, {}).status == 200
    assert laptop.ask("POST", "/knn-service", b'{"text": "a", "num_images": 1}').status == 200
    assert laptop.call(SEARCH, {}, Origin="http://evil.example").status == 403
    for name in ("evil.example", f"evil.example:{laptop.port}", "127.0.0.1.evil.example", "["):
        answer = laptop.call(SEARCH, {}, Host=name)
        assert answer.status in (400, 403), name
    assert laptop.call(SEARCH, {}, Host=f"localhost:{laptop.port}").status == 200


def test_a_site_that_is_allowed_may_ask_with_a_token(tokens: TokenFile) -> None:
    front = "https://front.example"
    with exploring(tokens, http={"allow_origins": (front,)}) as served:
        flight = served.ask("OPTIONS", "/knn-service", headers={"Origin": front})
        assert (flight.status, flight.headers["Access-Control-Allow-Origin"]) == (204, front)
        assert "Authorization" in flight.headers["Access-Control-Allow-Headers"]
        other = served.ask("OPTIONS", "/knn-service", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in other.headers
        answer = served.ask("GET", "/indices-list", caller="read", headers={"Origin": front})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, front)


def test_a_clock_is_what_ends_a_session() -> None:
    clock, sessions = ManualClock(), Sessions(b"k" * 32, 60.0)
    value = sessions.opened(b"d" * 32, clock.now())
    assert sessions.token_digest(value, clock.now()) == b"d" * 32
    clock.sleep(61.0)
    assert sessions.token_digest(value, clock.now()) is None
