"""Every error of the Kafka client becomes one of ours."""

from __future__ import annotations

import inspect

import pytest
from kafka import errors  # type: ignore[import-untyped]  # the client has no types

from pairmill.bus.kafka_errors import translate, translated
from pairmill.errors import ConfigurationError, InvalidRecordError, PairmillError, RetriableError

ALL = sorted(
    (
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.KafkaError) and kind.__module__ == errors.__name__
    ),
    key=lambda kind: str(kind.__name__),
)
OURS = (RetriableError, ConfigurationError, InvalidRecordError)


def made(kind: type[Exception]) -> Exception:
    """Returns an error of a class; one of them wants to be told of partitions."""
    return kind({}) if kind is errors.LogTruncationError else kind()


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: str(kind.__name__))
def test_every_error_of_the_client_has_a_translation(kind: type[Exception]) -> None:
    ours = translate(made(kind), "doing something")
    assert type(ours) in OURS
    assert "doing something" in str(ours)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in ALL if issubclass(kind, errors.RetriableError)],
)
def test_what_the_client_calls_retriable_is_retriable(kind: type[Exception]) -> None:
    assert type(translate(made(kind), "doing something")) is RetriableError


@pytest.mark.parametrize(
    ("kind", "becomes", "names"),
    [
        (errors.SaslAuthenticationFailedError, RetriableError, "kafka.sasl_password_file"),
        (errors.UnsupportedSaslMechanismError, ConfigurationError, "kafka.sasl_mechanism"),
        (errors.TopicAuthorizationFailedError, ConfigurationError, "kafka.sasl_username"),
        (errors.GroupAuthorizationFailedError, ConfigurationError, "kafka.sasl_username"),
        (errors.ClusterAuthorizationFailedError, ConfigurationError, "kafka.sasl_username"),
        (errors.UnknownTopicOrPartitionError, RetriableError, "pairmill topics apply"),
        (errors.InvalidSessionTimeoutError, ConfigurationError, "kafka.session_timeout_seconds"),
        (errors.UnsupportedVersionError, ConfigurationError, "too old"),
        (errors.MessageSizeTooLargeError, InvalidRecordError, "cannot be stored"),
        (errors.RecordListTooLargeError, InvalidRecordError, "cannot be stored"),
        (errors.NotEnoughReplicasError, RetriableError, "now"),
        (errors.OutOfOrderSequenceNumberError, RetriableError, "now"),
        (errors.CorruptRecordError, RetriableError, "now"),
    ],
)
def test_the_message_says_what_to_do(kind: type[Exception], becomes: type[PairmillError], names: str) -> None:
    ours = translate(made(kind), "doing something")
    assert type(ours) is becomes
    assert names in str(ours)


def test_the_cause_is_chained() -> None:
    cause = errors.NodeNotReadyError()
    with pytest.raises(RetriableError) as caught, translated("asking"):
        raise cause
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), RuntimeError("NetworkSelector closed!")])
def test_a_connection_that_breaks_in_an_unforeseen_place_is_retriable(error: Exception) -> None:
    with pytest.raises(RetriableError), translated("asking"):
        raise error


def test_a_bug_stays_a_bug() -> None:
    with pytest.raises(RuntimeError, match="dictionary changed"), translated("asking"):
        raise RuntimeError("dictionary changed size during iteration")


def test_our_own_errors_pass() -> None:
    with pytest.raises(ConfigurationError, match="as it is"), translated("asking"):
        raise ConfigurationError("as it is")
