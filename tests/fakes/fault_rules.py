"""Which requests get into trouble, and which: the rules of the fault proxy.

The first rule that fits a request is applied to it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Fault = Literal["status", "delay", "drop", "lose", "cut", "flip", "slow", "refuse"]
"""What to do to a request.

status: answer with `status` and `code`, the server never sees it. delay: pass it on after `seconds`.
drop: close the connection, the server never sees it. lose: the server does it, then the connection is
closed without its answer. cut: close the connection after `at_byte` bytes of the answer's body. flip: turn
the bits of byte `at_byte` of that body over. slow: `bytes_per_second` either way. refuse: answer 403 with
`code`, as for credentials that are no longer good.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A fault and the requests that it is for."""

    do: Fault
    method: str = ""  # such as PUT; empty fits all
    path: str = ""  # regular expression, searched for in path and query
    access_key: str = ""  # of the request's signature; empty fits all
    skip: int = 0  # requests that fit and are let through first
    every: int = 1  # applied to one in so many of those that fit
    times: int | None = 1  # requests that it is applied to; None is all
    after_seconds: float = 0.0  # how long after it was set it begins
    status: int = 503
    code: str = "SlowDown"
    seconds: float = 0.0
    at_byte: int = 0
    bytes_per_second: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, and what was done to it."""

    method: str
    path: str  # with query
    access_key: str
    fault: str  # empty where it was passed on as it was


@dataclass(slots=True)
class _Set:
    """A rule in force, with how often it fitted and was applied."""

    rule: Rule
    since: float = field(default_factory=time.monotonic)
    fitted: int = 0
    applied: int = 0

    def take(self, method: str, path: str, access_key: str) -> bool:
        """Returns whether it is to be applied to this request."""
        rule = self.rule
        if rule.method not in ("", method) or rule.access_key not in ("", access_key):
            return False
        if not re.search(rule.path, path) or time.monotonic() - self.since < rule.after_seconds:
            return False
        self.fitted += 1
        if self.fitted <= rule.skip or (self.fitted - rule.skip) % rule.every:
            return False
        if rule.times is not None and self.applied >= rule.times:
            return False
        self.applied += 1
        return True


class Rules:
    """The rules in force, and what they were applied to. Thread-safe."""

    def __init__(self, control: Path | None = None) -> None:
        self._control = control
        self._stamp: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._set: list[_Set] = []
        self.seen: list[Seen] = []

    def replace(self, rules: Sequence[Rule]) -> None:
        """Puts these rules in place of all others; counts begin anew."""
        with self._lock:
            self._set = [_Set(rule) for rule in rules]

    def add(self, rule: Rule) -> None:
        """Puts a rule behind the others."""
        with self._lock:
            self._set.append(_Set(rule))

    def take(self, method: str, path: str, access_key: str) -> Rule | None:
        """Returns the rule to apply to a request."""
        self._follow_file()
        with self._lock:
            rule = next((each.rule for each in self._set if each.take(method, path, access_key)), None)
            self.seen.append(Seen(method, path, access_key, rule.do if rule else ""))
            return rule

    def as_json(self) -> list[dict[str, Any]]:
        """Returns the rules with their counts."""
        with self._lock:
            return [
                {**dataclasses.asdict(each.rule), "fitted": each.fitted, "applied": each.applied}
                for each in self._set
            ]

    def _follow_file(self) -> None:
        if self._control is None:
            return
        with suppress(OSError, ValueError, TypeError):  # being replaced
            found = self._control.stat()
            if (stamp := (found.st_mtime_ns, found.st_size)) != self._stamp:
                self.replace(parse_rules(self._control.read_bytes()))
                self._stamp = stamp


def parse_rules(data: bytes) -> list[Rule]:
    """Returns rules from a JSON list; raises ValueError or TypeError for anything else."""
    return [Rule(**each) for each in json.loads(data)]


def changed(blocks: Iterator[bytes], rule: Rule | None) -> Iterator[bytes]:
    """Yields the blocks of a body, cut or with a byte turned over."""
    place = 0
    for block in blocks:
        at = rule.at_byte - place if rule is not None else -1
        if rule is not None and rule.do == "cut" and at < len(block):
            yield block[: max(at, 0)]
            return
        if rule is not None and rule.do == "flip" and 0 <= at < len(block):
            yield block[:at] + bytes([block[at] ^ 0xFF]) + block[at + 1 :]
        else:
            yield block
        place += len(block)
