"""Page tokens are opaque, and good for the list that they came from only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmill.rpc.refusals import Violation
from pairmill_gateway.rpc.paging import page_of, page_token
from pairmill_gateway.rpc.ports import Page

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


@given(TEXT, TEXT)
def test_a_token_leads_to_where_the_page_ended(after: str, query: str) -> None:
    problems: list[Violation] = []
    assert page_of(10, page_token(after, query), query, problems) == Page(size=10, after=after)
    assert problems == []


@given(TEXT, TEXT, TEXT)
def test_a_token_of_another_list_is_refused(after: str, query: str, other: str) -> None:
    problems: list[Violation] = []
    page_of(10, page_token(after, query), query + other, problems)
    assert [one.field for one in problems] == ["page_token"]


@given(st.text(max_size=40).filter(bool))
def test_h2_what_is_no_token_is_refused_and_never_raises(token: str) -> None:
    problems: list[Violation] = []
    page_of(10, token, "jobs", problems)
    assert [one.field for one in problems] == ["page_token"]


def test_the_last_page_has_no_token() -> None:
    assert page_token("", "jobs") == ""


@pytest.mark.parametrize(("size", "wanted"), [(0, 100), (1, 1), (1000, 1000)])
def test_a_page_has_the_size_asked_for(size: int, wanted: int) -> None:
    problems: list[Violation] = []
    assert page_of(size, "", "jobs", problems).size == wanted
    assert problems == []


@pytest.mark.parametrize("size", [-1, 1001, 2**31 - 1])
def test_h2_other_sizes_are_refused(size: int) -> None:
    problems: list[Violation] = []
    page_of(size, "", "jobs", problems)
    assert [one.field for one in problems] == ["page_size"]
