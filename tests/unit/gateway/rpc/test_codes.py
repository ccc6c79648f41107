"""What the gateway's errors are to a caller."""

from __future__ import annotations

import grpc
import pytest

from pairmill.rpc.refusals import refusal_of
from pairmill_gateway.rpc.codes import CODES
from pairmill_gateway.rpc.ports import UnknownJobError, WrongStateError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownJobError("x"), grpc.StatusCode.NOT_FOUND),
        (WrongStateError("x"), grpc.StatusCode.FAILED_PRECONDITION),
    ],
)
def test_what_a_caller_can_act_on_has_a_status_of_its_own(error: Exception, code: grpc.StatusCode) -> None:
    assert refusal_of(error, CODES).code is code


def test_the_most_specific_kinds_come_first() -> None:
    kinds = [kind for kind, _ in CODES]
    for place, kind in enumerate(kinds):
        assert not any(issubclass(kind, before) for before in kinds[:place]), kind
