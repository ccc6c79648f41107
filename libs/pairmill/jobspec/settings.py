"""Single settings of a spec by dotted field name, such as `download.host_delay_seconds=0.2`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from pairmill.errors import ConfigurationError
from pairmill_protos.job.v1.job_pb2 import JobSpec

SETTABLE: Final = ("crawl_rules", "plan", "download", "image", "score", "finalise")
"""Messages of the spec that a user may set; `wave_size` and `crawl` besides."""

_SETTABLE_SCALARS: Final = ("wave_size", "crawl")
_SHORT: Final = {"crawl": "crawl_rules"}
_INTEGERS: Final = frozenset({FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64})
_REALS: Final = frozenset({FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE})
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})


def parse_assignments(texts: Iterable[str]) -> dict[str, str]:
    """Returns field=value texts as a mapping; raises ConfigurationError naming the bad ones."""
    problems, parsed = [], {}
    for text in texts:
        name, separator, value = text.partition("=")
        if separator and name:
            parsed[name.strip()] = value.strip()
        else:
            problems.append(f"--set {text!r}: write it as field=value")
    if problems:
        raise ConfigurationError("\n".join(problems))
    return parsed


def apply_settings(spec: JobSpec, settings: dict[str, str]) -> None:
    """Sets fields of a spec in place; reports everything that is wrong at once.

    Lists are written with commas, an empty value clears a field, an entry of a map is addressed by
    its key: `score.min_similarity.en=0.3`.
    """
    problems = []
    for name, value in settings.items():
        try:
            _set(spec, name, value)
        except ConfigurationError as error:
            problems.append(str(error))
    if problems:
        raise ConfigurationError("\n".join(problems))


def field_names() -> list[str]:
    """Returns the names of all settings, for help and for suggestions."""
    return sorted([*_SETTABLE_SCALARS, *_message_fields(JobSpec.DESCRIPTOR)])


def _message_fields(descriptor: Descriptor) -> Iterator[str]:
    for field in descriptor.fields:
        if field.name in SETTABLE and field.message_type is not None:
            for inner in field.message_type.fields:
                if inner.message_type is None or _is_map(inner):
                    yield f"{field.name}.{inner.name}"


def _set(spec: JobSpec, name: str, value: str) -> None:
    head, _, rest = name.partition(".")
    head = _SHORT.get(head, head) if rest else head
    if not rest and head in _SETTABLE_SCALARS:
        _assign(spec, JobSpec.DESCRIPTOR.fields_by_name[head], name, value)
        return
    field_name, _, key = rest.partition(".")
    if head in SETTABLE:
        message = getattr(spec, head)
        field = message.DESCRIPTOR.fields_by_name.get(field_name)
        if field is not None and (field.message_type is None or _is_map(field)):
            _assign_field(message, field, name, key, value)
            return
    near = difflib.get_close_matches(name, field_names(), n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ConfigurationError(f"{name}: there is no such setting{hint}")


def _assign_field(message: Message, field: FieldDescriptor, name: str, key: str, value: str) -> None:
    if _is_map(field):
        if not key:
            raise ConfigurationError(f"{name}: add the key, as in {name}.en={value or '0.3'}")
        entry_type = field.message_type
        if entry_type is None:
            raise ConfigurationError(f"{name}: cannot be set")
        entries: Any = getattr(message, field.name)
        if value == "":
            entries.pop(key, None)
        else:
            entries[key] = _parse(entry_type.fields_by_name["value"], name, value)
    elif key:
        raise ConfigurationError(f"{name}: {field.name} has no parts; set {name.removesuffix('.' + key)}")
    else:
        _assign(message, field, name, value)


def _assign(message: Message, field: FieldDescriptor, name: str, value: str) -> None:
    if value == "":
        message.ClearField(field.name)
    elif field.is_repeated:
        parsed = [_parse(field, name, part.strip()) for part in value.split(",") if part.strip()]
        message.ClearField(field.name)
        getattr(message, field.name).extend(parsed)
    else:
        try:
            setattr(message, field.name, _parse(field, name, value))
        except ValueError as error:
            raise ConfigurationError(f"{name}: {value!r} is out of range") from error


def _parse(field: FieldDescriptor, name: str, value: str) -> Any:
    try:
        if field.cpp_type in _INTEGERS:
            return int(value)
        if field.cpp_type in _REALS:
            return float(value)
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return _parse_bool(value)
        if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            return _parse_enum(field, value)
    except ValueError as error:
        wanted = _wanted(field)
        raise ConfigurationError(f"{name}: {value!r} is no {wanted}") from error
    return value


def _parse_bool(value: str) -> bool:
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError(value)


def _parse_enum(field: FieldDescriptor, value: str) -> int:
    for known in field.enum_type.values if field.enum_type else ():
        if known.name.lower().endswith("_" + value.lower()) and known.number:
            return known.number
    raise ValueError(value)


def _wanted(field: FieldDescriptor) -> str:
    if field.cpp_type in _INTEGERS:
        return "whole number"
    if field.cpp_type in _REALS:
        return "number"
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return "yes or no"
    names = [value.name for value in field.enum_type.values if value.number] if field.enum_type else []
    prefix = _common_prefix(names)
    return "choice of: " + ", ".join(name.removeprefix(prefix).lower() for name in names)


def _common_prefix(names: list[str]) -> str:
    shared = ""
    for part in names[0].split("_") if names else ():
        if not all(name.startswith(f"{shared}{part}_") for name in names):
            break
        shared = f"{shared}{part}_"
    return shared


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)
