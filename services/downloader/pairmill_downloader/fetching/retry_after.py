"""Retry-After: seconds, or a date."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_MAX_SECONDS: Final = 365 * 86400.0


def parse_retry_after(value: str, now: datetime) -> float | None:
    """Returns the seconds that a host asks to wait, at most a year; None for what says nothing.

    A date that is past, like a negative number, says nothing.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), _MAX_SECONDS)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    seconds = (date - now).total_seconds()
    return min(seconds, _MAX_SECONDS) if seconds > 0 else None
