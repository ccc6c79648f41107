"""What a call has to pass before its request is looked at."""

from __future__ import annotations

import grpc
import pytest

from pairmill.rpc.callers import Caller, Role
from pairmill.rpc.config import RpcConfig
from pairmill.rpc.gates import (
    bearer_token,
    check_deadline,
    check_role,
    check_size,
    known_caller,
    plain_metadata,
)
from pairmill.rpc.methods import STANDARD_METHODS, Method
from pairmill.rpc.refusals import RefusedError

CONFIG = RpcConfig(max_deadline_seconds=60.0, max_watch_seconds=3600.0, max_message_bytes=1000)
CALL = Method(role=Role.OPERATE, max_bytes=10)
STREAM = Method(role=Role.READ, is_stream=True)


@pytest.mark.parametrize("value", ["Bearer abc", "bearer abc", "BEARER  abc "])
def test_a_token_stands_in_the_authorization(value: str) -> None:
    assert bearer_token({"authorization": value}) == "abc"


@pytest.mark.parametrize("metadata", [{}, {"authorization": "abc"}, {"authorization": "Basic abc"}])
def test_h3_a_call_without_a_token_is_refused(metadata: dict[str, str]) -> None:
    with pytest.raises(RefusedError) as caught:
        bearer_token(metadata)
    assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED


def test_of_two_authorizations_the_first_counts_and_bytes_do_not() -> None:
    assert plain_metadata([("a-bin", b"1"), ("b", "2"), ("b", "3")]) == {"b": "2"}


def test_h3_nobody_is_refused() -> None:
    with pytest.raises(RefusedError) as caught:
        known_caller(None)
    assert caught.value.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("needed", Role)
def test_a_role_may_do_what_those_before_it_may(role: Role, needed: Role) -> None:
    caller, method = Caller(name="a", role=role), Method(role=needed)
    if role >= needed:
        check_role(caller, "/a/B", method)
    else:
        with pytest.raises(RefusedError, match=needed.name.lower()) as caught:
            check_role(caller, "/a/B", method)
        assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED


def test_a_method_that_is_not_listed_is_open_to_nobody() -> None:
    with pytest.raises(RefusedError) as caught:
        check_role(Caller(name="a", role=Role.ADMIN), "/a/New", None)
    assert caught.value.code is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("seconds", "method"), [(1.0, CALL), (60.0, CALL), (60.5, CALL), (3600.0, STREAM), (-1.0, CALL)]
)
def test_a_deadline_within_the_limit_passes(seconds: float, method: Method) -> None:
    check_deadline(seconds, method, CONFIG)


@pytest.mark.parametrize(
    ("seconds", "method"), [(None, CALL), (None, STREAM), (9e15, CALL), (62.0, CALL), (3700.0, STREAM)]
)
def test_h4_no_deadline_or_one_too_far_away_is_refused(seconds: float | None, method: Method) -> None:
    with pytest.raises(RefusedError, match="at most") as caught:
        check_deadline(seconds, method, CONFIG)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in caught.value.violations] == ["deadline"]


@pytest.mark.parametrize(("size", "method"), [(11, CALL), (1001, Method(role=Role.READ, max_bytes=None))])
def test_h2_a_request_too_large_for_its_method_is_refused(size: int, method: Method) -> None:
    check_size(size - 1, method, CONFIG)
    with pytest.raises(RefusedError) as caught:
        check_size(size, method, CONFIG)
    assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_of_the_standard_methods_only_the_health_check_is_open_to_all() -> None:
    assert [name for name, method in STANDARD_METHODS.items() if method.role is None] == [
        "/grpc.health.v1.Health/Check"
    ]
