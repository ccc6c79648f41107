"""Which calls are tried again, how often and after how long."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import urllib3
from minio.error import S3Error, ServerError

from pairmill.errors import ConfigurationError, NoSpaceError, ObjectMissingError, RetriableError
from pairmill.store.s3_calls import Calls, pause_seconds
from pairmill.store.s3_errors import UploadGoneError
from tests.fakes.clock import ManualClock


class Endpoint:
    """Answers calls with prepared errors, then with a number."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        if self._errors:
            raise self._errors.pop(0)
        return self.asked


def failure(code: str, status: int) -> S3Error:
    return S3Error(urllib3.HTTPResponse(status=status), code, "said so", None, None, None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def calls(clock: ManualClock) -> Calls:
    return Calls(endpoint="https://s3.example.org", bucket="bucket", clock=clock)


def test_what_passes_is_tried_again(calls: Calls) -> None:
    assert calls.run("read", Endpoint(failure("SlowDown", 503), ServerError("x", 500)), patience=5) == 3


def test_patience_is_bounded_and_the_cause_is_kept(calls: Calls, clock: ManualClock) -> None:
    endpoint = Endpoint(*[ServerError("x", 500)] * 99)
    with pytest.raises(RetriableError) as caught:
        calls.run("read", endpoint, patience=60)
    assert 50 <= clock.monotonic() <= 60
    assert isinstance(caught.value.__cause__, ServerError)


def test_the_time_that_tries_take_counts(calls: Calls, clock: ManualClock) -> None:
    asked = []

    def hangs() -> None:
        asked.append(clock.monotonic())
        clock.sleep(30)
        raise ServerError("x", 504)

    with pytest.raises(RetriableError):
        calls.run("read", hangs, patience=20)
    assert len(asked) == 1


def test_without_patience_there_is_one_try(calls: Calls, clock: ManualClock) -> None:
    endpoint = Endpoint(ServerError("x", 500))
    with pytest.raises(RetriableError):
        calls.run("reach", endpoint, patience=0)
    assert (endpoint.asked, clock.monotonic()) == (1, 0)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (failure("NoSuchKey", 404), ObjectMissingError),
        (failure("AccessDenied", 403), ConfigurationError),
        (failure("QuotaExceeded", 403), NoSpaceError),
        (failure("NoSuchUpload", 404), UploadGoneError),
    ],
)
def test_what_does_not_pass_is_not(calls: Calls, error: S3Error, wanted: type[Exception]) -> None:
    endpoint = Endpoint(error)
    with pytest.raises(wanted):
        calls.run("read", endpoint, patience=60)
    assert endpoint.asked == 1


def test_g5_credentials_that_were_good_for_a_call_are_tried_again(calls: Calls) -> None:
    calls.run("read", Endpoint(), patience=60)
    assert calls.run("read", Endpoint(failure("ExpiredToken", 400)), patience=60) == 2
    with pytest.raises(ConfigurationError):
        calls.run("write", Endpoint(failure("AccessDenied", 403)), patience=60)


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), RetriableError("x")])
def test_an_error_of_our_own_is_passed_on_as_it_is(calls: Calls, error: Exception) -> None:
    endpoint: Callable[[], int] = Endpoint(error)
    with pytest.raises(type(error)) as caught:
        calls.run("read", endpoint, patience=60)
    assert caught.value is error


def test_pauses_double_up_to_a_limit_and_differ() -> None:
    assert all(0.25 <= pause_seconds(1) <= 0.5 for _ in range(50))
    assert all(5.0 <= pause_seconds(40) <= 10.0 for _ in range(50))
    assert len({pause_seconds(3) for _ in range(20)}) > 1
