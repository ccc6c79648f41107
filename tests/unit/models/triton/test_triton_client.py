"""What each error of Triton and of the way to it means."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # it ships no types

from pairmill.errors import ConfigurationError, PairmillError
from pairmill_models.embedder import ModelError
from pairmill_models.triton_client import TritonClient, translated
from pairmill_models.triton_port import ServerAwayError, ServerBusyError, ServerSlowError
from pairmill_models.triton_settings import TritonConfig

CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]

MEANINGS: dict[str, type[PairmillError]] = {
    "CANCELLED": ServerAwayError,
    "UNKNOWN": ModelError,
    "INVALID_ARGUMENT": ModelError,
    "DEADLINE_EXCEEDED": ServerSlowError,
    "NOT_FOUND": ServerAwayError,
    "ALREADY_EXISTS": ModelError,
    "PERMISSION_DENIED": ConfigurationError,
    "UNAUTHENTICATED": ConfigurationError,
    "RESOURCE_EXHAUSTED": ServerBusyError,
    "FAILED_PRECONDITION": ModelError,
    "ABORTED": ServerAwayError,
    "OUT_OF_RANGE": ModelError,
    "UNIMPLEMENTED": ConfigurationError,
    "INTERNAL": ModelError,
    "UNAVAILABLE": ServerAwayError,
    "DATA_LOSS": ServerAwayError,
}

MESSAGES: list[tuple[str, str, type[PairmillError]]] = [
    ("UNAVAILABLE", "Exceeds maximum queue size", ServerBusyError),
    ("UNAVAILABLE", "Request timeout expired", ServerBusyError),
    ("UNAVAILABLE", "failed to connect to all addresses", ServerAwayError),
    ("UNAVAILABLE", "Server is stopping, scheduler for model has stopped accepting", ServerAwayError),
    ("NOT_FOUND", "Request for unknown model: 'm' has no available versions", ServerAwayError),
    ("RESOURCE_EXHAUSTED", "CLIENT: Sent message larger than max (9 vs. 5)", ModelError),
    ("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (9 vs. 5)", ModelError),
    ("INTERNAL", "onnx runtime error 6: Failed to allocate memory for requested buffer", ModelError),
    ("INVALID_ARGUMENT", "inference request batch-size must be <= 128 for 'm'", ModelError),
]


def error_of(status: str | None, message: str = "text") -> InferenceServerException:
    return InferenceServerException(message, status=status)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_every_status_has_a_meaning(code: grpc.StatusCode) -> None:
    found = translated(error_of(str(code)), "triton:8001")
    assert type(found) is MEANINGS[code.name]
    assert code.name in str(found)
    assert "triton:8001" in str(found)


@pytest.mark.parametrize(("status", "message", "meaning"), MESSAGES)
def test_f1_f3_messages_tell_apart_what_one_status_says_of_several(
    status: str, message: str, meaning: type[PairmillError]
) -> None:
    found = translated(error_of(f"StatusCode.{status}", message), "t")
    assert type(found) is meaning
    assert message in str(found)


@pytest.mark.parametrize("status", [None, "", "StatusCode.NEW", "400"])
def test_an_error_without_a_known_status_is_the_batch_s(status: str | None) -> None:
    assert type(translated(error_of(status), "t")) is ModelError


@pytest.mark.parametrize("field", ["ca_file", "token_file"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, field: str) -> None:
    config = TritonConfig(tls=True, **{field: tmp_path / "missing"})  # type: ignore[arg-type]  # one field's name
    with pytest.raises(ConfigurationError, match=rf"triton\.{field}: .*missing: No such file"):
        TritonClient("127.0.0.1:1", config).ping("m", timeout_seconds=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_batch": 0}, "image_batch is 0"),
        ({"text_batch": -1}, "text_batch is -1"),
        ({"text_batch_tokens": 0}, "text_batch_tokens"),
        ({"requests_in_flight": 0}, "requests_in_flight"),
        ({"request_timeout_seconds": 0}, "request_timeout_seconds is 0"),
        ({"patience_seconds": -1}, "patience_seconds is -1"),
        ({"key_file": Path("k")}, "go together"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TritonConfig(**options)  # type: ignore[arg-type]  # of several types


def test_a_closed_client_is_away() -> None:
    client = TritonClient("127.0.0.1:1", TritonConfig())
    client.close()
    with pytest.raises(ServerAwayError, match="closed"):
        client.ping("m", timeout_seconds=1)
