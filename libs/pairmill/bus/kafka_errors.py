"""The client's errors as ours: one table, most specific first.

Nothing of the client leaves the adapter; who catches one of ours knows what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from kafka import errors  # type: ignore[import-untyped]  # the client has no types

from pairmill.errors import ConfigurationError, InvalidRecordError, PairmillError, RetriableError


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a family of the client's errors becomes, and what a person can do about it."""

    becomes: type[PairmillError]
    advice: str
    families: tuple[Any, ...]  # classes of the client, which are untyped


_CREDENTIALS: Final = "kafka.sasl_username, kafka.sasl_password_file: the broker does not accept them"
_RIGHTS: Final = "kafka.sasl_username: grant this user the right that is missing"
_MECHANISM: Final = "kafka.sasl_mechanism: choose one that the broker's listener offers"
_ABSENT: Final = "the topic is not there; apply the topics: pairmill topics apply"
_NAME: Final = "the broker takes no topic of this name"
_SESSION: Final = (
    "kafka.session_timeout_seconds: choose one between the broker's group.min.session.timeout.ms and "
    "group.max.session.timeout.ms"
)
_VERSION: Final = "kafka: the broker is too old; Pairmill needs Apache Kafka 3.0 or newer"
_ANOTHER_USE: Final = "consumer group: other software uses a group of this name; rename one of them"
_OPERATOR: Final = "the broker refuses the request; see its message"
_RECORD: Final = "the record cannot be stored"
_LATER: Final = "the broker cannot do this now"

RULES: Final = (
    _Rule(
        RetriableError, _CREDENTIALS, (errors.SaslAuthenticationFailedError,)
    ),  # at start the clients know better
    _Rule(
        ConfigurationError,
        _MECHANISM,
        (errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError, errors.SecurityDisabledError),
    ),
    _Rule(ConfigurationError, _RIGHTS, (errors.AuthorizationError,)),
    _Rule(ConfigurationError, _NAME, (errors.InvalidTopicError,)),
    _Rule(
        RetriableError, _ABSENT, (errors.UnknownTopicOrPartitionError,)
    ),  # whether it ever was, Metadata knows
    _Rule(ConfigurationError, _SESSION, (errors.InvalidSessionTimeoutError,)),
    _Rule(
        ConfigurationError,
        _VERSION,
        (
            errors.UnsupportedVersionError,
            errors.UnrecognizedBrokerVersion,
            errors.UnsupportedForMessageFormatError,
            errors.UnsupportedCompressionTypeError,
            errors.UnsupportedCodecError,
        ),
    ),
    _Rule(
        ConfigurationError,
        _ANOTHER_USE,
        (
            errors.InconsistentGroupProtocolError,
            errors.InvalidGroupIdError,
            errors.GroupMaxSizeReachedError,
        ),
    ),
    _Rule(
        ConfigurationError,
        _OPERATOR,
        (
            errors.KafkaConfigurationError,
            errors.InvalidPartitionsError,
            errors.InvalidReplicationFactorError,
            errors.InvalidReplicationAssignmentError,
            errors.InvalidConfigurationError,
            errors.PolicyViolationError,
            errors.TopicDeletionDisabledError,
            errors.TopicAlreadyExistsError,
            errors.InvalidRequiredAcksError,
        ),
    ),
    _Rule(
        InvalidRecordError,
        _RECORD,
        (
            errors.MessageSizeTooLargeError,
            errors.RecordListTooLargeError,
            errors.InvalidRecordError,
            errors.InvalidTimestampError,
        ),
    ),
    # All others concern the connection, the cluster's state or a member's place in it: a new try, often
    # with a new client, finds another state.
    _Rule(RetriableError, _LATER, (errors.KafkaError,)),
)


def translate(error: Exception, doing: str) -> PairmillError:
    """Returns one of our errors for one of the client's."""
    for rule in RULES:
        if isinstance(error, rule.families):
            return rule.becomes(f"{rule.advice} ({doing}: {error})")
    return RetriableError(f"{_LATER} ({doing}: {type(error).__name__}: {error})")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns the client's errors into ours, with the cause chained.

    A client that was closed under another thread's hands raises RuntimeError, one whose connection
    breaks in an unforeseen place OSError.
    """
    try:
        yield
    except PairmillError:
        raise
    except (errors.KafkaError, OSError) as error:
        raise translate(error, doing) from error
    except RuntimeError as error:
        if "closed" not in str(error):
            raise
        raise RetriableError(f"the client was closed ({doing}: {error})") from error
