"""From an environment to a frozen dataclass, with every problem reported at once.

Names are `<prefix><FIELD>` in upper case, nested dataclasses `<prefix><FIELD>__<FIELD>`. Secrets are
read from the file that `<NAME>_FILE` names and never have defaults.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pairmill.errors import ConfigurationError

T = TypeVar("T")
U = TypeVar("U")

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that is never shown."""

    value: str

    def __repr__(self) -> str:
        """Returns a mask."""
        return "Secret(***)"

    __str__ = __repr__


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable of a service, as its README lists it."""

    name: str
    kind: str
    default: str  # empty where there is none
    is_required: bool


def read_config(cls: type[T], env: Mapping[str, str], prefix: str = "PAIRMILL_") -> T:
    """Returns the configuration that an environment holds; raises ConfigurationError with all problems."""
    problems: list[str] = []
    config = _read(cls, env, prefix, problems)
    if problems or config is None:
        raise ConfigurationError("\n".join(problems))
    return config


def read_configs(
    env: Mapping[str, str], first: type[T], second: type[U], prefix: str = "PAIRMILL_"
) -> tuple[T, U]:
    """Returns two configurations out of one environment, the problems of both reported at once."""
    problems: list[str] = []
    one, two = _read(first, env, prefix, problems), _read(second, env, prefix, problems)
    if problems or one is None or two is None:
        raise ConfigurationError("\n".join(problems))
    return one, two


def redacted(config: Any) -> dict[str, Any]:
    """Returns a configuration as plain values for the log, secrets masked."""
    shown: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        is_nested = dataclasses.is_dataclass(value) and not isinstance(value, Secret)
        shown[field.name] = redacted(value) if is_nested else _plain(value)
    return shown


def document(cls: type[Any], prefix: str = "PAIRMILL_", given: Any = None) -> Iterator[Variable]:
    """Yields the variables that `read_config` looks at.

    A default that depends on the machine is described by the field's metadata, under `default`. `given` is
    the value that the configuration has as a field of another one; its defaults are those.
    """
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        name, hint = prefix + field.name.upper(), hints[field.name]
        if _is_nested(hint):
            yield from document(hint, name + "__", _default(field, given))
            continue
        required = _is_required(field) and given is None
        default = "" if required else field.metadata.get("default") or str(_plain(_default(field, given)))
        yield Variable(
            name=name + ("_FILE" if hint is Secret else ""),
            kind=_kind(hint),
            default=default,
            is_required=required,
        )


def _read(
    cls: type[T], env: Mapping[str, str], prefix: str, problems: list[str], given: Any = None
) -> T | None:
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type] # only dataclasses are passed
        name, hint = prefix + field.name.upper(), hints[field.name]
        try:
            if _is_nested(hint):
                values[field.name] = _read(hint, env, name + "__", problems, _default(field, given))
            elif hint is Secret:
                values[field.name] = _secret(name, env)
            elif name in env and not (env[name] == "" and not _is_required(field)):
                values[field.name] = _parse(hint, env[name])
            elif given is not None:
                values[field.name] = getattr(given, field.name)
            elif _is_required(field):
                problems.append(f"{name}: is not set; it needs {_kind(hint)}")
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        return None
    try:
        return cls(**values)
    except ValueError as error:  # a dataclass may check its own values
        problems.append(f"{prefix}*: {error}")
        return None


def _secret(name: str, env: Mapping[str, str]) -> Secret:
    path = env.get(name + "_FILE", "")
    if not path:
        raise ValueError(f"is not set; name a file with the secret in {name}_FILE")
    try:
        return Secret(Path(path).read_text().strip())
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {error.strerror}") from error


def _parse(hint: Any, text: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _parse(next(argument for argument in arguments if argument is not type(None)), text)
    if origin is tuple:
        return tuple(_parse(arguments[0], part.strip()) for part in text.split(",") if part.strip())
    if origin in (dict, Mapping):
        return _parse_mapping(arguments[1], text)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _parse_choice(hint, text)
    return _PARSERS.get(hint, hint)(text)


def _parse_mapping(hint: Any, text: str) -> dict[str, Any]:
    parsed = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, separator, value = part.partition("=")
        if not separator:
            raise ValueError(f"{part!r} is no pair; write key=value,key=value")
        parsed[key.strip()] = _parse(hint, value.strip())
    return parsed


def _parse_choice(kind: type[enum.Enum], text: str) -> enum.Enum:
    for choice in kind:
        if text.lower() in (str(choice.value).lower(), choice.name.lower()):
            return choice
    raise ValueError(f"{text!r} is none of: {', '.join(str(choice.value) for choice in kind)}")


def _parse_bool(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError(f"{text!r} is neither yes nor no")


def _parse_int(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no whole number") from error


def _parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no number") from error


_PARSERS: Mapping[Any, Callable[[str], Any]] = {
    bool: _parse_bool,
    int: _parse_int,
    float: _parse_float,
    str: str,
    Path: Path,
}


def _is_nested(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint) and hint is not Secret


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field: dataclasses.Field[Any], given: Any = None) -> Any:
    """Returns a field's default: what the nested configuration that it stands in was given, or its own."""
    if given is not None:
        return getattr(given, field.name)
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else None


def _kind(hint: Any) -> str:
    arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return _kind(arguments[0])
    if typing.get_origin(hint) is tuple:
        return f"list of {_kind(arguments[0])}"
    if typing.get_origin(hint) in (dict, Mapping):
        return "key=value list"
    names = {bool: "yes or no", int: "whole number", float: "number", str: "text", Path: "path"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def _plain(value: Any) -> Any:
    match value:
        case Secret():
            return repr(value)
        case Path():
            return str(value)
        case enum.Enum():
            return value.value
        case tuple():
            return ",".join(str(part) for part in value)
        case dict():
            return ",".join(f"{key}={part}" for key, part in value.items())
        case None:
            return ""
        case _:
            return value
