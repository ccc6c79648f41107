"""Every status of a gateway is an error of ours that says what to do."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from pairmill.errors import ConfigurationError, PairmillError, RetriableError
from pairmill.rpc.refusals import InvalidRequestError, Violation, details_of
from pairmill_standalone.cli.api_caller import may_pass, pause_seconds
from pairmill_standalone.cli.api_errors import DETAILS_KEY, KINDS, error_of
from pairmill_standalone.cli.job_errors import GATEWAY, option_of


class Failed(grpc.RpcError):
    """A call that failed, as grpc raises it."""

    def __init__(self, code: grpc.StatusCode, details: str = "", metadata: Any = ()) -> None:
        super().__init__()
        self._given = (code, details, metadata)

    def code(self) -> grpc.StatusCode:
        return self._given[0]

    def details(self) -> str:
        return self._given[1]

    def trailing_metadata(self) -> Any:
        return self._given[2]


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_has_an_error(code: grpc.StatusCode) -> None:
    assert code.name in KINDS
    error = error_of(Failed(code, "so it is"), "gateway:7600", GATEWAY)
    assert isinstance(error, KINDS[code.name][0])
    assert str(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, RetriableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, RetriableError),
        (grpc.StatusCode.UNAUTHENTICATED, ConfigurationError),
        (grpc.StatusCode.PERMISSION_DENIED, ConfigurationError),
        (grpc.StatusCode.NOT_FOUND, ConfigurationError),
    ],
)
def test_what_may_work_later_is_told_from_what_is_wrong(
    code: grpc.StatusCode, kind: type[PairmillError]
) -> None:
    assert type(error_of(Failed(code, "so it is"), "gateway:7600", GATEWAY)) is kind


def test_each_field_is_a_line_with_its_option() -> None:
    refusal = InvalidRequestError(
        [
            Violation(field="wats[1]", description="is no URL"),
            Violation(field="settings.image.jpeg_quality", description="900 is out of range"),
        ]
    )
    error = error_of(
        Failed(grpc.StatusCode.INVALID_ARGUMENT, refusal.message, ((DETAILS_KEY, details_of(refusal)),)),
        "g:1",
        GATEWAY,
    )
    assert str(error).splitlines() == [
        "--wat number 2: is no URL",
        "--set image.jpeg_quality: 900 is out of range",
    ]


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"\x1a\x03\x0a\x01x"])
def test_details_of_somebody_else_do_no_harm(data: bytes) -> None:
    error = error_of(
        Failed(grpc.StatusCode.INVALID_ARGUMENT, "so it is", ((DETAILS_KEY, data),)), "g:1", GATEWAY
    )
    assert str(error) == "so it is"


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("job_id", "JOB"),
        ("idempotency_key", "--idempotency-key"),
        ("exclude[0]", "--exclude number 1"),
        ("exclude", "--exclude"),
        ("request", "request"),
        ("deadline", "--timeout"),
    ],
)
def test_fields_are_told_by_their_options(field: str, option: str) -> None:
    assert option_of(field) == option


def test_only_a_gateway_that_is_away_is_asked_again() -> None:
    assert may_pass(Failed(grpc.StatusCode.UNAVAILABLE, "connection refused"))
    assert not may_pass(Failed(grpc.StatusCode.UNAVAILABLE, "Ssl handshake failed"))
    assert not may_pass(Failed(grpc.StatusCode.INTERNAL))


def test_pauses_grow_up_to_a_limit() -> None:
    pauses = [pause_seconds(attempt) for attempt in range(50)]
    assert max(pauses[:1]) <= 0.1
    assert all(2.5 <= pause <= 5.0 for pause in pauses[6:])
