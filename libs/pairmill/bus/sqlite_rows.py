"""Messages as rows of the embedded bus."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from pairmill.bus.port import Headers, Message

READ: Final = (
    'SELECT topic, partition, "offset", key, value, headers, appended_at FROM messages '
    'WHERE topic = ? AND partition = ? AND "offset" >= ? ORDER BY "offset" LIMIT ?'
)


def message_of(row: tuple[Any, ...]) -> Message:
    """Returns a stored row as a message."""
    topic, partition, offset, key, value, headers, appended_at = row
    return Message(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        value=value,
        headers=decode_headers(headers),
        appended_at=datetime.fromtimestamp(appended_at, UTC),
    )


def encode_headers(headers: Headers) -> str:
    """Returns headers as JSON with the values in hex."""
    return json.dumps([[name, value.hex()] for name, value in headers]) if headers else ""


def decode_headers(text: str) -> Headers:
    """Undoes `encode_headers`."""
    return tuple((name, bytes.fromhex(value)) for name, value in json.loads(text)) if text else ()
