"""What the explorer's errors are to a caller, over both ways."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from pairmill.errors import NoSpaceError, PairmillError
from pairmill.rpc.metrics import CODES
from pairmill.rpc.refusals import RefusedError
from pairmill_explorer.errors import BadRequestError, NotFoundError, RequestError, TooLargeError
from pairmill_explorer.http.statuses import STATUSES, problem_response, status_of
from pairmill_explorer.metrics import STATUSES as COUNTED
from pairmill_explorer.rpc.refusals import explorer_refusal


def _kinds(kind: type[PairmillError]) -> Iterator[type[PairmillError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


@pytest.mark.parametrize("kind", [*_kinds(RequestError)])
def test_every_kind_of_wrong_request_names_its_field(kind: type[RequestError]) -> None:
    refusal = explorer_refusal(kind("parts[0].text", "is too much"))
    assert refusal.code is not grpc.StatusCode.INTERNAL
    assert [(one.field, one.description) for one in refusal.violations] == [("parts[0].text", "is too much")]


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (BadRequestError("f", "x"), grpc.StatusCode.INVALID_ARGUMENT, 400),
        (TooLargeError("f", "x"), grpc.StatusCode.RESOURCE_EXHAUSTED, 413),
        (NotFoundError("f", "x"), grpc.StatusCode.NOT_FOUND, 404),
        (NoSpaceError("x"), grpc.StatusCode.RESOURCE_EXHAUSTED, 507),
        (RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "x"), grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (KeyError("x"), grpc.StatusCode.INTERNAL, 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_a_caller_can_act_on_has_a_status_of_its_own(
    error: Exception, code: grpc.StatusCode, status: int
) -> None:
    refusal = explorer_refusal(error)
    assert (refusal.code, status_of(error, refusal)) == (code, status)


def test_every_code_has_a_status_and_every_status_is_counted() -> None:
    refused = {code for code in CODES if code is not grpc.StatusCode.OK}
    assert refused <= set(STATUSES)
    assert set(STATUSES.values()) | {413, 507} <= set(COUNTED)


def test_h2_a_long_text_is_cut() -> None:
    response = problem_response(BadRequestError("f", "x" * 100_000))
    assert isinstance(response.body, bytes)
    assert len(response.body) < 3000


def test_who_is_to_wait_is_told_how_long() -> None:
    refused = RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "x", retry_seconds=2.2)
    assert problem_response(refused).headers["Retry-After"] == "3"
    assert "Retry-After" not in problem_response(BadRequestError("f", "x")).headers
