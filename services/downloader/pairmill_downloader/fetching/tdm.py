"""TDM reservations: the header `tdm-reservation` and the file `/.well-known/tdmrep.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from pairmill_downloader.fetching.patterns import Pattern, upper_escapes

PATH: Final = "/.well-known/tdmrep.json"
MAX_BYTES: Final = 256 * 1024
_MAX_RULES: Final = 2000


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: Pattern
    reserves: bool


@dataclass(frozen=True, slots=True)
class Reservations:
    """What a tdmrep.json reserves."""

    rules: tuple[_Rule, ...] = ()

    def reserves(self, path: str) -> bool:
        """Whether a path with query is reserved: the longest location decides, a reservation among equals."""
        if not self.rules:
            return False
        path = upper_escapes(path)
        matching = [
            (len(rule.pattern.text), rule.reserves) for rule in self.rules if rule.pattern.matches(path)
        ]
        return max(matching)[1] if matching else False

    @property
    def weight(self) -> int:
        """Memory held, roughly, bytes."""
        return 100 + sum(150 + len(rule.pattern.text) for rule in self.rules)


NO_RESERVATIONS: Final = Reservations()


def header_reserves(values: Sequence[str]) -> bool:
    """Whether header values of `tdm-reservation` reserve."""
    return any(value.strip() == "1" for value in values)


def parse_tdmrep(body: bytes) -> Reservations:
    """Returns what a tdmrep.json reserves; what is no such file reserves nothing."""
    try:
        found = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NO_RESERVATIONS
    entries = found if isinstance(found, list) else [found]
    return Reservations(tuple(rule for entry in entries[:_MAX_RULES] if (rule := _rule(entry)) is not None))


def _rule(entry: Any) -> _Rule | None:
    if not isinstance(entry, dict):
        return None
    location, reservation = entry.get("location"), entry.get("tdm-reservation")
    if not isinstance(location, str) or not location:
        return None
    if not location.startswith(("/", "*")):
        location = "/" + location
    return _Rule(Pattern.of(location), reservation in (1, "1", True))
