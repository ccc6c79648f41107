"""From our errors to what a caller is told."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import grpc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pairmill.errors import ConfigurationError, CorruptObjectError, NoSpaceError, PairmillError
from pairmill.rpc.refusals import (
    BAD_REQUEST_URL,
    COMMON_CODES,
    INTERNAL_TEXT,
    MAX_VIOLATIONS,
    InvalidRequestError,
    RefusedError,
    Violation,
    details_of,
    refusal_of,
    violations_of,
)
from pairmill_protos.gateway.v1.error_details_pb2 import BadRequest, ErrorStatus

MAX_METADATA_BYTES = 8 * 1024


def _kinds(kind: type[PairmillError]) -> Iterator[type[PairmillError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


@pytest.mark.parametrize(
    "kind", [kind for kind in _kinds(PairmillError) if kind.__module__ == "pairmill.errors"]
)
def test_every_error_of_ours_has_a_status(kind: type[PairmillError]) -> None:
    assert refusal_of(kind("field: is wrong")).code is not grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CorruptObjectError("x"), grpc.StatusCode.DATA_LOSS),
        (NoSpaceError("x"), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_what_a_caller_can_act_on_has_a_status_of_its_own(error: Exception, code: grpc.StatusCode) -> None:
    assert refusal_of(error).code is code


def test_the_most_specific_kinds_come_first() -> None:
    kinds = [kind for kind, _ in COMMON_CODES]
    for place, kind in enumerate(kinds):
        assert not any(issubclass(kind, before) for before in kinds[:place]), kind


def test_the_text_of_a_bug_is_not_told() -> None:
    refusal = refusal_of(KeyError("secret"))
    assert (refusal.code, refusal.message) == (grpc.StatusCode.INTERNAL, INTERNAL_TEXT)


def test_each_line_of_a_wrong_request_is_a_field() -> None:
    refusal = refusal_of(ConfigurationError("image.jpeg_quality: 900 is too much\nsomething else"))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.violations == (
        Violation(field="image.jpeg_quality", description="900 is too much"),
        Violation(field="request", description="something else"),
    )


def test_details_read_as_those_of_google() -> None:
    details = ErrorStatus.FromString(
        details_of(InvalidRequestError([Violation(field="limit", description="0 is too small")]))
    )
    assert details.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert [detail.type_url for detail in details.details] == [BAD_REQUEST_URL]
    violations = BadRequest.FromString(details.details[0].value).field_violations
    assert [(one.field, one.description) for one in violations] == [("limit", "0 is too small")]


def test_the_bytes_of_details_are_those_of_the_common_schemas() -> None:
    """Field 3 of google.rpc.Status, field 1 of BadRequest, fields 1 and 2 of its violations."""
    data = details_of(InvalidRequestError([Violation(field="f", description="d")]))
    violation = b"\x0a\x01f\x12\x01d"
    bad = b"\x0a" + bytes([len(violation)]) + violation
    packed = (
        b"\x0a" + bytes([len(BAD_REQUEST_URL)]) + BAD_REQUEST_URL.encode() + b"\x12" + bytes([len(bad)]) + bad
    )
    assert data == b"\x08\x03\x12\x04f: d\x1a" + bytes([len(packed)]) + packed


def test_a_refusal_without_fields_has_no_details() -> None:
    status = ErrorStatus.FromString(details_of(RefusedError(grpc.StatusCode.NOT_FOUND, "no")))
    assert (status.message, list(status.details)) == ("no", [])


def test_h2_of_many_problems_the_first_are_told_and_all_counted() -> None:
    violations = violations_of("\n".join(f"wats[{n}]: {'x' * 50}" for n in range(100_000)))
    refusal = InvalidRequestError(violations)
    assert len(refusal.violations) == MAX_VIOLATIONS + 1
    assert "99,980 more" in refusal.violations[-1].description


@given(
    st.lists(
        st.builds(Violation, field=st.text(max_size=200), description=st.text(max_size=2000)), max_size=40
    )
)
@example([Violation(field="🙂" * 200, description="🙂" * 5000)] * 1000)
@example([Violation(field="f", description="\ud800")])
def test_h2_what_is_told_of_any_request_fits_into_metadata(violations: list[Violation]) -> None:
    """The text travels percent-encoded, the details in base 64."""
    refusal = InvalidRequestError(violations)
    assert len(quote(refusal.message)) + len(details_of(refusal)) * 4 // 3 < MAX_METADATA_BYTES
    assert (not violations) == (not refusal.violations)


def test_h2_a_long_text_is_cut() -> None:
    refusal = refusal_of(NoSpaceError("x" * 100_000))
    assert len(refusal.message) < 1000
