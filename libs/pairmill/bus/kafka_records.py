"""The client's records as messages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pairmill.bus.port import Message


def message_of(record: Any) -> Message:
    """Returns a record of the client, which is untyped, as a message."""
    return Message(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key or b"",
        value=record.value or b"",
        headers=tuple((name, value or b"") for name, value in record.headers),
        appended_at=datetime.fromtimestamp(record.timestamp / 1000, UTC),
    )
