"""Tokens: only their digests are kept, and a wrong file is refused with all that is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pairmill.errors import ConfigurationError
from pairmill.rpc.callers import Caller, Role
from pairmill.rpc.tokens import (
    TokenBook,
    entry_lines,
    find_caller,
    new_token,
    parse_tokens,
    token_digest,
)
from tests.fakes.clock import ManualClock

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def entry(token: str, name: str = "ci", expires_at: datetime | None = None) -> str:
    return entry_lines(name, Role.OPERATE, "default", token, expires_at)


def test_a_token_is_told_by_the_lines_that_were_made_for_it() -> None:
    token = new_token()
    entries = parse_tokens(entry(token, "ci", NOW + timedelta(days=1)))
    assert find_caller(entries, token_digest(token), NOW) == Caller(name="ci", role=Role.OPERATE)


def test_the_lines_do_not_hold_the_token() -> None:
    token = new_token()
    assert token not in entry(token)
    assert token_digest(token).hex() in entry(token)


def test_no_two_tokens_are_alike() -> None:
    assert len({new_token() for _ in range(100)}) == 100


@pytest.mark.parametrize("other", ["", "pmt_", "x" * 100_000])
def test_other_tokens_are_nobodys(other: str) -> None:
    assert find_caller(parse_tokens(entry(new_token())), token_digest(other), NOW) is None


def test_h3_a_token_ends_at_the_moment_it_expires() -> None:
    token = new_token()
    entries = parse_tokens(entry(token, expires_at=NOW))
    assert find_caller(entries, token_digest(token), NOW - timedelta(seconds=1)) is not None
    assert find_caller(entries, token_digest(token), NOW) is None


def test_a_caller_may_have_an_old_and_a_new_token_under_two_names() -> None:
    old, new = new_token(), new_token()
    entries = parse_tokens(entry(old, "ci-2025") + entry(new, "ci-2026"))
    assert [find_caller(entries, token_digest(token), NOW) for token in (old, new)] == [
        Caller(name="ci-2025", role=Role.OPERATE),
        Caller(name="ci-2026", role=Role.OPERATE),
    ]


def test_everything_wrong_with_a_file_is_said_at_once() -> None:
    text = """
        surplus = 1
        [[tokens]]
        name = "a b"
        role = "root"
        sha256 = "12"
        expires_at = 2026-01-01
        secret = "x"
    """
    with pytest.raises(ConfigurationError) as caught:
        parse_tokens(text)
    problems = str(caught.value).splitlines()
    for word in ("surplus", "name 'a b'", "role 'root'", "64 hex digits", "expires_at", "'secret'"):
        assert any(word in problem for problem in problems), word
    assert len(problems) == 6


def test_a_name_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'ci' stands there twice"):
        parse_tokens(entry(new_token()) + entry(new_token()))


@pytest.mark.parametrize("text", ["[[tokens]", "tokens = 3", "tokens = [1]"])
def test_what_is_no_list_of_tokens_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="tokens_file"):
        parse_tokens(text)


@pytest.mark.parametrize("name", ["", 'a"b', "x" * 64, "a\nb"])
def test_no_lines_are_made_for_a_name_that_is_none(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name: "):
        entry_lines(name, Role.READ, "default", new_token(), None)


def test_h3_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path, old, new, clock = tmp_path / "tokens.toml", new_token(), new_token(), ManualClock()
    path.write_text(entry(old))
    book = TokenBook(path, clock)
    path.write_text(entry(new, "other"))
    assert book.caller_of(old) is not None  # it is looked at once a second
    clock.sleep(1.0)
    assert book.caller_of(old) is None
    assert book.caller_of(new) == Caller(name="other", role=Role.OPERATE)


def test_a_file_that_breaks_leaves_the_tokens_as_they_were_until_it_is_mended(tmp_path: Path) -> None:
    path, old, new, clock = tmp_path / "tokens.toml", new_token(), new_token(), ManualClock()
    path.write_text(entry(old))
    book = TokenBook(path, clock)
    for broken in (lambda: path.write_text("[[tok"), path.unlink):
        broken()
        clock.sleep(1.0)
        assert book.caller_of(old) is not None
    path.write_text(entry(new))
    clock.sleep(1.0)
    assert book.caller_of(old) is None
    assert book.caller_of(new) is not None


def test_a_file_that_is_not_there_is_a_wrong_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        TokenBook(tmp_path / "absent.toml", ManualClock())
