"""When a watch speaks: at once, after a change, now and then so that nobody cuts it off, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from google.protobuf.message import Message

Shown = TypeVar("Shown", bound=Message)

QUIET_SECONDS: Final = 10.0
"""Longest silence, except where the caller asks for a longer interval; proxies cut off what is quiet."""


def watched(
    get: Callable[[], Shown],
    has_ended: Callable[[Shown], bool],
    wait: Callable[[float], None],
    interval_seconds: float,
) -> Iterator[Shown]:
    """Yields what is got at once, then after each interval in which it changed, until it has ended.

    `wait` may return early, and ends the watch by raising.
    """
    said, quiet = None, 0.0
    while True:
        found = get()
        data = found.SerializeToString(deterministic=True)
        if data != said or quiet >= QUIET_SECONDS:
            said, quiet = data, 0.0
            yield found
        if has_ended(found):
            return
        wait(interval_seconds)
        quiet += interval_seconds
