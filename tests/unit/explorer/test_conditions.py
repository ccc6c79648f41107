"""Filters that make no sense are refused with the field that is wrong."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pairmill_explorer.errors import BadRequestError, RequestError, TooLargeError
from pairmill_explorer.search.clauses import FetchedIn
from pairmill_explorer.search.conditions import RANGES, WORD_COLUMNS, SafetyRules, conditions_of
from pairmill_protos.explorer.v1.search_pb2 import Filters, Range, TimeRange

RULES = SafetyRules()
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("filters", "field", "kind"),
    [
        pytest.param(Filters(similarity=Range(min=NAN)), "filters.similarity.min", BadRequestError, id="nan"),
        pytest.param(Filters(toxicity=Range(max=INF)), "filters.toxicity.max", BadRequestError, id="inf"),
        pytest.param(Filters(width=Range(min=-INF)), "filters.width.min", BadRequestError, id="minus-inf"),
        pytest.param(
            Filters(aspect=Range(min=2, max=1)), "filters.aspect.min", BadRequestError, id="reversed"
        ),
        pytest.param(Filters(buckets=["en", "all"]), "filters.buckets[1]", BadRequestError, id="bucket"),
        pytest.param(Filters(verdicts=["maybe"]), "filters.verdicts[0]", BadRequestError, id="verdict"),
        pytest.param(Filters(text_contains="x" * 201), "filters.text_contains", TooLargeError, id="long"),
        pytest.param(Filters(hosts=["h" * 301]), "filters.hosts[0]", TooLargeError, id="long-value"),
        pytest.param(Filters(hosts=["h"] * 10_001), "filters.hosts", TooLargeError, id="many-values"),
        pytest.param(
            Filters(fetched_at=TimeRange(before=Timestamp(seconds=2**62))),
            "filters.fetched_at.before",
            BadRequestError,
            id="no-time",
        ),
        pytest.param(
            Filters(fetched_at=TimeRange(**{"from": Timestamp(seconds=9), "before": Timestamp(seconds=8)})),
            "filters.fetched_at.from",
            BadRequestError,
            id="reversed-time",
        ),
    ],
)
def test_a_bad_filter_names_its_field_h2(filters: Filters, field: str, kind: type[RequestError]) -> None:
    with pytest.raises(kind) as caught:
        conditions_of(filters, RULES)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")


def test_a_mode_that_is_not_known_is_refused_h6() -> None:
    with pytest.raises(BadRequestError) as caught:
        conditions_of(Filters.FromString(b"\x90\x01\x63"), RULES)  # field 18, value 99
    assert caught.value.field == "filters.safe_mode"


def test_every_field_of_the_filters_is_looked_at() -> None:
    """A field that is added to the message and forgotten here would filter nothing."""
    known = {*WORD_COLUMNS, *RANGES, "buckets", "text_contains", "fetched_at", "safe_mode"}
    assert {field.name for field in Filters.DESCRIPTOR.fields} == known


@pytest.mark.parametrize(
    "filters",
    [Filters(), Filters(similarity=Range()), Filters(fetched_at=TimeRange()), Filters(width=Range())],
    ids=["none", "open-range", "open-time", "open-size"],
)
def test_what_is_open_on_both_ends_filters_nothing(filters: Filters) -> None:
    assert conditions_of(filters, RULES) == conditions_of(Filters(), RULES)


def test_a_time_between_two_microseconds_is_rounded_up() -> None:
    """Stored times are whole microseconds: what lies between two of them begins at the later one."""
    given = [Filters(fetched_at=TimeRange(before=Timestamp(nanos=nanos))) for nanos in (1, 1000, 1001)]
    clauses = [clause for filters in given for clause in conditions_of(filters, RULES).clauses]
    assert [clause.end for clause in clauses if isinstance(clause, FetchedIn)] == [1, 1, 2]
