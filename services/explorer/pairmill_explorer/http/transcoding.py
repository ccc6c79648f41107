"""Messages as JSON: proto3's form, with field names as in the schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message

from pairmill.rpc.refusals import InvalidRequestError, Violation
from pairmill_explorer.http.json_form import plain
from pairmill_explorer.http.marks import MOST_MARKS, holds_too_much

_OUTER: Final = re.compile(r"Failed to parse (\w+) field: ")
_PLACE: Final = re.compile(r' at "?\w+?((?:\.[\w\[\]]+)*)"?(?=[.\s]*$)')
_UNKNOWN: Final = re.compile(r'has no field named "([^"]*)"')
_MAX_DEPTH: Final = 32
_QUERIES: Final = ("", "recipe")
"""Fields that hold parts of a query; the first is the message itself."""
_FLOAT32_MOST: Final = 3.4028234e38

_Path: TypeAlias = tuple[str, int]
"""Where a vector stood: in which field, and in which part."""


def message_of(kind: type[Message], body: bytes) -> Message:
    """Returns the message of a request's body; raises INVALID_ARGUMENT with the field where it is none.

    An empty body is an empty message.
    """
    if holds_too_much(body):
        raise _invalid("request", f"holds more than {MOST_MARKS:,} values")
    try:
        value = msgspec.json.decode(body) if body else {}
    except (msgspec.DecodeError, RecursionError) as error:
        raise _invalid("request", f"is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise _invalid("request", "is no object")
    return _message(kind, value)


def json_of(message: Message) -> bytes:
    """Returns a message as JSON."""
    return msgspec.json.encode(plain(message))


def _message(kind: type[Message], value: dict[str, Any]) -> Message:
    vectors = [*_taken_vectors(value)]
    try:
        message = json_format.ParseDict(value, kind(), max_recursion_depth=_MAX_DEPTH)
        for path, numbers in vectors:
            _at(message, path).extend(numbers)
        return message
    except json_format.ParseError as error:
        raise InvalidRequestError([violation_of(str(error))]) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _invalid("request", f"is no {kind.DESCRIPTOR.name}: {error}") from error


def _taken_vectors(value: dict[str, Any]) -> Iterator[tuple[_Path, list[float]]]:
    """Takes the components of a query's vectors out, for protobuf's parser looks at each for microseconds.

    What it would not take as they are stay, so that it says what is wrong. A part keeps an empty list.
    """
    for outer in _QUERIES:
        query = value.get(outer) if outer else value
        parts = query.get("parts") if isinstance(query, dict) else None
        for place, part in enumerate(parts if isinstance(parts, list) else ()):
            vector = part.get("vector") if isinstance(part, dict) else None
            if not isinstance(vector, dict):
                continue
            numbers = vector.get("values")
            if isinstance(numbers, list) and _are_numbers(numbers):
                vector["values"] = []
                yield (outer, place), numbers


def _are_numbers(values: list[Any]) -> bool:
    return set(map(type, values)) <= {int, float} and max(map(abs, values), default=0) <= _FLOAT32_MOST


def _at(message: Any, path: _Path) -> Any:
    """Returns the components of a part's vector."""
    outer, place = path
    query = getattr(message, outer) if outer else message
    return query.parts[place].vector.values


def violation_of(text: str) -> Violation:
    """Returns what a text of protobuf's parser says, and of which field."""
    text = text.partition("\n")[0]
    outer = ".".join(_OUTER.findall(text))
    inner = _PLACE.search(text)
    field = inner[1].removeprefix(".") if inner and inner[1] else outer
    if unknown := _UNKNOWN.search(text):
        field = ".".join(filter(None, (field, unknown[1][:80])))
        return Violation(field=field, description="is no field of this message")
    return Violation(field=field or "request", description=_PLACE.sub("", _OUTER.sub("", text)).rstrip(". "))


def _invalid(field: str, description: str) -> InvalidRequestError:
    return InvalidRequestError([Violation(field=field, description=description)])
