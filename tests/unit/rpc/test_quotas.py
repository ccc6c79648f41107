"""How often a caller may call."""

from __future__ import annotations

import grpc
import pytest

from pairmill.rpc.callers import Caller, Role
from pairmill.rpc.quotas import Quota
from pairmill.rpc.refusals import RETRY_INFO_URL, RefusedError, details_of
from pairmill_protos.gateway.v1.error_details_pb2 import ErrorStatus, RetryInfo
from tests.fakes.clock import ManualClock

A, B = Caller(name="a", role=Role.READ), Caller(name="b", role=Role.READ)


def served(quota: Quota, caller: Caller, calls: int) -> int:
    """Makes so many calls; returns how many of them are served."""
    return sum(is_served(quota, caller) for _ in range(calls))


def is_served(quota: Quota, caller: Caller) -> bool:
    try:
        quota.take(caller)
    except RefusedError as error:
        return error.code is not grpc.StatusCode.RESOURCE_EXHAUSTED
    return True


def test_a_minutes_calls_may_come_at_once_and_then_come_back_evenly() -> None:
    clock = ManualClock()
    quota = Quota(60, clock)
    assert served(quota, A, 100) == 60
    clock.sleep(10.0)
    assert served(quota, A, 100) == 10
    clock.sleep(3600.0)
    assert served(quota, A, 100) == 60
    assert quota.refused == 40 + 90 + 40


def test_h4_a_caller_who_calls_too_often_takes_nothing_from_others() -> None:
    quota = Quota(5, ManualClock())
    assert served(quota, A, 100) == 5
    assert served(quota, B, 5) == 5


def test_who_waits_as_long_as_it_was_told_is_served() -> None:
    clock = ManualClock()
    quota = Quota(30, clock)
    assert served(quota, A, 30) == 30
    with pytest.raises(RefusedError) as caught:
        quota.take(A)
    assert caught.value.retry_seconds == pytest.approx(2.0)
    status = ErrorStatus.FromString(details_of(caught.value))
    assert [detail.type_url for detail in status.details] == [RETRY_INFO_URL]
    retry = RetryInfo.FromString(status.details[0].value)
    assert retry.retry_delay.ToMilliseconds() == 2000
    clock.sleep(2.001)
    quota.take(A)


def test_without_a_bound_all_are_served() -> None:
    quota = Quota(None, ManualClock())
    assert served(quota, A, 1000) == 1000
    assert quota.refused == 0
