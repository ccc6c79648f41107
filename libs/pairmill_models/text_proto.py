"""Writing protobuf messages as text, for files that people read and servers parse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Fields: TypeAlias = Mapping[str, Any]
"""A message: by field a number, a text, a Word, a message, or a list of such for a repeated field."""


@dataclass(frozen=True, slots=True)
class Word:
    """A value of an enum or a bool, written without quotes."""

    text: str


def text_of(fields: Fields) -> str:
    """Returns a message as text, one field a line, in the order given."""
    return "".join(f"{line}\n" for line in _lines(fields))


def _lines(fields: Fields, indent: str = "") -> Iterator[str]:
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping):
                yield f"{indent}{name} {{"
                yield from _lines(one, f"{indent}  ")
                yield f"{indent}}}"
            else:
                yield f"{indent}{name}: {_scalar(one)}"


def _scalar(value: int | str | Word) -> str:
    match value:
        case Word(text):
            return text
        case str():
            escaped = "".join(
                char if 32 <= ord(char) < 127 and char not in '"\\' else _escaped(char) for char in value
            )
            return f'"{escaped}"'
        case _:
            return str(value)


def _escaped(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in char.encode())
