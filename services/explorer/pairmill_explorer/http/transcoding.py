"""Messages as JSON: proto3's form, with field names as in the schemas."""

from __future__ import annotations

import re
from typing import Any, Final

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
    try:
        return json_format.ParseDict(value, kind(), max_recursion_depth=_MAX_DEPTH)
    except json_format.ParseError as error:
        raise InvalidRequestError([violation_of(str(error))]) from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _invalid("request", f"is no {kind.DESCRIPTOR.name}: {error}") from error


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
