"""Reads the cases of Google's robots.txt test suite: text protos of files and expected outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[A-Za-z_]+:?|#[^\n]*')
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SINGLE = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecCase:
    """One expectation."""

    robots: bytes
    url: str
    agent: str
    allowed: bool


def read_cases(path: Path) -> Iterator[SpecCase]:
    """Yields the expectations of one file of the suite."""
    values: dict[str, bytes] = {}
    field = ""
    for found in _TOKEN.finditer(path.read_bytes()):
        token = found.group()
        if token.startswith(b"#"):
            continue
        if token.startswith(b'"'):
            values[field] = values.get(field, b"") + _unescaped(token[1:-1])
        elif token.endswith(b":"):
            field = token[:-1].decode()
            values.pop(field, None)
        elif token in (b"ALLOWED", b"DISALLOWED"):
            yield SpecCase(
                robots=values["robotstxt"],
                url=values["testurl"].decode(),
                agent=values["useragent"].decode(),
                allowed=token == b"ALLOWED",
            )


def _unescaped(text: bytes) -> bytes:
    return _ESCAPE.sub(_character, text)


def _character(found: re.Match[bytes]) -> bytes:
    code = found.group(1)
    if code[:1] == b"x":
        return bytes([int(code[1:], 16)])
    if code[:1] == b"u":
        return chr(int(code[1:], 16)).encode()
    if code[:1].isdigit():
        return bytes([int(code, 8) & 255])
    return _SINGLE.get(code, code)
