"""How many values a body of JSON holds, told without reading it: a small body may unpack into very much."""

from __future__ import annotations

from typing import Final

MOST_MARKS: Final = 100_000
"""All filters of a request with as many values as they take, and sixteen vectors of a thousand components."""

_MARKS: Final = (b",", b"[", b"{")


def holds_too_much(body: bytes) -> bool:
    """Returns whether more marks stand in a body, those in its texts included, than any request needs."""
    return sum(body.count(mark) for mark in _MARKS) > MOST_MARKS
