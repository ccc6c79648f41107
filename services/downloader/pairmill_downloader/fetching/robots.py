"""robots.txt by RFC 9309: what it says to one product token.

A parser of our own because of what is wanted of it at once: the outcomes of Google's published test
cases, rules of one token only (a file of 500 KiB costs memory for the lines that concern us), linear
matching, and the usage preferences (AIPREF, content signals) that stand in the same groups.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pairmill_downloader.fetching.aipref import Preference, forbids_training, parse_usage_rule
from pairmill_downloader.fetching.patterns import Pattern, unescaped, upper_escapes

MAX_BYTES: Final = 500 * 1024
"""What lies behind is not read, as RFC 9309 allows; Google's limit."""

_MAX_LINE: Final = 16_384
_TOKEN: Final = re.compile(r"[a-zA-Z0-9_-]+")
_KEYS: Final = {
    "user-agent": "agent",
    "useragent": "agent",
    "user agent": "agent",
    "allow": "allow",
    "disallow": "disallow",
    "dissallow": "disallow",
    "dissalow": "disallow",
    "disalow": "disallow",
    "diasllow": "disallow",
    "disallaw": "disallow",
    "crawl-delay": "delay",
    "content-usage": "usage",
    "content-signal": "usage",
}
"""Spellings that are understood; all other lines are passed over."""

_INDEX: Final = "/index.html"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line that allows or forbids."""

    allows: bool
    pattern: Pattern


@dataclass(slots=True)
class _Group:
    """The lines of one agent, those of all its groups together."""

    rules: list[Rule] = field(default_factory=list)
    usage: list[Preference] = field(default_factory=list)
    delay: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Robots:
    """What a robots.txt says to one product token."""

    rules: tuple[Rule, ...] = ()  # longest first, those that allow first among equals
    usage: tuple[Preference, ...] = ()
    crawl_delay_seconds: float | None = None

    def allows(self, path: str) -> bool:
        """Whether a path with query may be fetched: the longest rule decides, `allow` among equals."""
        path = upper_escapes(path)
        plain = unescaped(path)
        for rule in self.rules:
            if rule.pattern.matches(path) or (not rule.allows and rule.pattern.matches(plain)):
                return rule.allows
        return True

    def forbids_training(self, path: str) -> bool:
        """Whether a usage preference for a path forbids training; the most specific one decides."""
        return bool(self.usage) and forbids_training(self.usage, upper_escapes(path))

    @property
    def weight(self) -> int:
        """Memory held, roughly, bytes."""
        return 500 + sum(150 + len(rule.pattern.text) for rule in self.rules) + 300 * len(self.usage)


NO_RULES: Final = Robots()


def parse_robots(body: bytes, token: str) -> Robots:
    """Returns what a robots.txt says to a product token (compared without case); never raises."""
    ours, everyones, seen = _Group(), _Group(), False
    groups: list[_Group] = []
    in_agents = False
    for key, value in _lines(body):
        if key == "agent":
            if not in_agents:
                groups, in_agents = [], True
            if _is_everyone(value):
                groups.append(everyones)
            elif _names(value, token):
                groups.append(ours)
                seen = True
            continue
        if key in ("allow", "disallow"):
            in_agents = False
        for group in groups:
            _add(group, key, value)
    return _robots(ours if seen else everyones)


def _robots(group: _Group) -> Robots:
    rules = sorted(group.rules, key=lambda rule: (-len(rule.pattern.text), not rule.allows))
    return Robots(rules=tuple(rules), usage=tuple(group.usage), crawl_delay_seconds=group.delay)


def _add(group: _Group, key: str, value: str) -> None:
    match key:
        case "allow" | "disallow":
            if value:
                group.rules.extend(_rules(key == "allow", value))
        case "delay":
            group.delay = _seconds(value, group.delay)
        case _:
            preference = parse_usage_rule(value)
            if preference is not None:
                group.usage.append(preference)


def _rules(allows: bool, value: str) -> Iterator[Rule]:
    pattern = Pattern.of(value)
    yield Rule(allows, pattern)
    if allows and pattern.text.endswith(_INDEX):
        yield Rule(True, Pattern(pattern.text.removesuffix("index.html") + "$"))
    plain = unescaped(pattern.text)
    if not allows and plain != pattern.text:
        # RFC 9309 compares needless escapes undone, Google's cases do not: what forbids, forbids both.
        yield Rule(False, Pattern(plain))


def _lines(body: bytes) -> Iterator[tuple[str, str]]:
    """Yields the known keys with their values, comments and marks removed."""
    for line in _text(body).replace("\r", "\n").split("\n"):
        content = line[:_MAX_LINE].partition("#")[0].strip(" \t\0")
        name, separator, value = content.partition(":")
        if not separator:
            name, _, value = content.replace("\t", " ").partition(" ")
            if len(value.split()) != 1:
                continue
        key = _KEYS.get(name.strip().lower())
        if key is not None:
            yield key, value.strip()


def _text(body: bytes) -> str:
    """The text without a byte order mark, cut ones included."""
    body = body[:MAX_BYTES]
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace")
    for length in (3, 2, 1):
        if body.startswith(codecs.BOM_UTF8[:length]):
            body = body[length:]
            break
    return body.decode("utf-8", "replace")


def _is_everyone(value: str) -> bool:
    return value == "*" or value[:2] in ("* ", "*\t")


def _names(value: str, token: str) -> bool:
    found = _TOKEN.match(value)
    return found is not None and found.group().lower() == token.lower()


def _seconds(value: str, known: float | None) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return known
    return max(known or 0.0, seconds) if 0.0 <= seconds < float("inf") else known
