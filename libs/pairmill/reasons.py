"""Names of outcomes and reasons as they stand in parquet, and which reasons may heal by themselves."""

from __future__ import annotations

from typing import Final

from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason

RULES_VERSION: Final = "1"
"""Version of all rules that decide an outcome; written into every row."""

RETRIABLE: Final = frozenset(
    {
        Reason.REASON_ROBOTS_UNREACHABLE,
        Reason.REASON_DNS_ERROR,
        Reason.REASON_TIMEOUT_CONNECT,
        Reason.REASON_TIMEOUT_FIRST_BYTE,
        Reason.REASON_TIMEOUT_TOTAL,
        Reason.REASON_CONNECTION_REFUSED,
        Reason.REASON_RESET,
        Reason.REASON_HTTP_429,
        Reason.REASON_HTTP_5XX,
        Reason.REASON_TRUNCATED_BODY,
    }
)
"""Reasons for which a download is tried again within its unit and in the retry rounds (U9)."""

RETRIABLE_LATER: Final = RETRIABLE | {
    Reason.REASON_HOST_UNAVAILABLE,
    Reason.REASON_HOST_TOO_SLOW,
    Reason.REASON_UNIT_FAILED,
}
"""Reasons that `pairmill retry-failed` tries again."""

FINAL_OUTCOMES: Final = frozenset(
    {
        Outcome.OUTCOME_KEPT,
        Outcome.OUTCOME_FILTERED,
        Outcome.OUTCOME_FAILED,
        Outcome.OUTCOME_DEAD_LETTER,
        Outcome.OUTCOME_CANCELLED,
    }
)


def reason_name(reason: Reason.ValueType) -> str:
    """Returns the reason as written to files, such as `http_5xx`; empty for no reason.

    A number that this version does not know is carried as `reason_<n>` (U17).
    """
    return _name(Reason, reason, "REASON_")


def outcome_name(outcome: Outcome.ValueType) -> str:
    """Returns the outcome as written to files, such as `kept`."""
    return _name(Outcome, outcome, "OUTCOME_")


def parse_reason(name: str) -> Reason.ValueType:
    """Returns the reason of a name written by `reason_name`; raises ValueError if unknown."""
    return Reason.Value(f"REASON_{name.upper()}") if name else Reason.REASON_UNSPECIFIED


def parse_outcome(name: str) -> Outcome.ValueType:
    """Returns the outcome of a name written by `outcome_name`; raises ValueError if unknown."""
    return Outcome.Value(f"OUTCOME_{name.upper()}")


def _name(enum: type[Reason] | type[Outcome], value: int, prefix: str) -> str:
    if value == 0:
        return ""
    known = enum.DESCRIPTOR.values_by_number.get(value)
    bare = prefix.lower().rstrip("_")
    return known.name.removeprefix(prefix).lower() if known else f"{bare}_{value}"
