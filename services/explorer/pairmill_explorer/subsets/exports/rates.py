"""How fast the last exports were, kept in one object: a preview reads no more, however many there were.

It is an estimate and nothing else. Of two exports that end in one moment one may be left out, and what cannot
be kept or read is done without.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec

from pairmill.errors import CorruptObjectError, ObjectMissingError, PairmillError
from pairmill.store.port import ObjectStore
from pairmill_explorer.subsets.exports.layout import RATES

DEFAULT_RATE: Final = 100e6
"""Bytes per second that are assumed before anything was exported."""

_LAST_EXPORTS: Final = 5
_LEAST_SECONDS: Final = 1.0  # a shorter one says nothing


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """What an export wrote, and how long it was at work."""

    export_id: str
    bytes: int
    seconds: float


def rates(store: ObjectStore) -> tuple[Rate, ...]:
    """Returns the last exports whose time says something, the latest last."""
    try:
        return msgspec.json.decode(store.get(RATES), type=tuple[Rate, ...])
    except (ObjectMissingError, CorruptObjectError, msgspec.MsgspecError):
        return ()


def note_rate(store: ObjectStore, rate: Rate) -> None:
    """Keeps how fast an export was that has just ended, in place of the oldest."""
    if rate.seconds < _LEAST_SECONDS:
        return
    with suppress(PairmillError):
        others = [one for one in rates(store) if one.export_id != rate.export_id]
        store.put(RATES, msgspec.json.encode([*others, rate][-_LAST_EXPORTS:]))


def bytes_per_second(of: Iterable[Rate]) -> float:
    """Returns the rate of exports taken together, a default where there are none."""
    found = list(of)
    if not found:
        return DEFAULT_RATE
    return sum(one.bytes for one in found) / sum(one.seconds for one in found)
