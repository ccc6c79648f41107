"""Messages as plain values for JSON, as protobuf's own library writes them, in a fraction of its time.

That library finds out anew for each field of each message how it is written; here it is found out once for
each kind of message.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

Convert: TypeAlias = Callable[[Any], Any]
Descriptor: TypeAlias = Any
"""Of a message or field; which of two classes it is depends on how protobuf was built."""

_FLOAT: Final = struct.Struct("f")
_WIDE: Final = frozenset({FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64})
_TIMESTAMP: Final = "google.protobuf.Timestamp"
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # all times here are UTC's


def plain(message: Message) -> dict[str, Any]:
    """Returns a message as what JSON knows: fields that are set, by their names in the schemas."""
    values: dict[str, Any] = _form(message.DESCRIPTOR)(message)
    return values


class _Form:
    """How one kind of message is written."""

    __slots__ = ("_descriptor", "_fields")

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._fields: dict[int, tuple[str, Convert | None]] = {}

    def __call__(self, message: Any) -> dict[str, Any]:
        fields = self._fields or self._found()
        values = {}
        for field, value in message.ListFields():
            name, convert = fields[field.number]
            values[name] = value if convert is None else convert(value)
        return values

    def _found(self) -> dict[int, tuple[str, Convert | None]]:
        """Looks at the fields when the first message comes: kinds may hold each other."""
        self._fields = {field.number: (field.name, _convert(field)) for field in self._descriptor.fields}
        return self._fields


@cache
def _form(descriptor: Descriptor) -> _Form:
    if descriptor.full_name.startswith("google."):
        raise TypeError(f"{descriptor.full_name} has a form in JSON that is not known here")
    return _Form(descriptor)


def _convert(field: Descriptor) -> Convert | None:
    """Returns how a field's value is written; None where it is as it is."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map(field.message_type)
    one = _convert_one(field)
    return _repeated(one) if field.is_repeated else one


def _convert_one(field: Descriptor) -> Convert | None:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_MESSAGE if field.message_type.full_name == _TIMESTAMP:
            return _time
        case FieldDescriptor.CPPTYPE_MESSAGE:
            return _form(field.message_type)
        case FieldDescriptor.CPPTYPE_ENUM:
            return _enum(field.enum_type)
        case FieldDescriptor.CPPTYPE_FLOAT:
            return _shortest
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return _finite
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return _base64
        case kind if kind in _WIDE:
            return str  # JavaScript's numbers have 53 bits
        case _:
            return None


def _map(entry: Descriptor) -> Convert:
    """Returns how a map is written; its keys become texts."""
    convert = _convert_one(entry.fields_by_name["value"])

    def write(values: Any) -> dict[str, Any]:
        return {_key(key): values[key] if convert is None else convert(values[key]) for key in values}

    return write


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _repeated(convert: Convert | None) -> Convert:
    if convert is None:
        return list

    def write(values: Iterable[Any]) -> list[Any]:
        return [convert(value) for value in values]

    return write


def _enum(kind: Descriptor) -> Convert:
    """Returns how numbers are written: by name, those without one as they are."""
    names = {number: value.name for number, value in kind.values_by_number.items()}
    return lambda number: names.get(number, number)


def _time(value: Any) -> str:
    """Returns a time with as many digits as it has, in thousands."""
    text, nanos = (_EPOCH + timedelta(seconds=value.seconds)).isoformat(), value.nanos
    if not nanos:
        return f"{text}Z"
    if not nanos % 1_000_000:
        return f"{text}.{nanos // 1_000_000:03d}Z"
    return f"{text}.{nanos // 1000:06d}Z" if not nanos % 1000 else f"{text}.{nanos:09d}Z"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _finite(value: float) -> float | str:
    """Returns a number; JSON has no others than finite ones, so they become texts."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _shortest(value: float) -> float | str:
    """Returns the shortest decimal that is the same number of 32 bits."""
    if not math.isfinite(value):
        return _finite(value)
    for digits in (7, 8):
        short = float(f"{value:.{digits}g}")
        if _FLOAT.unpack(_FLOAT.pack(short))[0] == value:
            return short
    return float(f"{value:.9g}")
