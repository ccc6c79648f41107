"""`docs/settings.md`: the settings of a job, and the variables of each service."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from pairmill.bus.settings import KafkaConfig
from pairmill.config import Variable, document
from pairmill.jobspec.profiles import profile
from pairmill.jobspec.settings import SETTABLE
from pairmill.rpc.config import RpcConfig
from pairmill.service import ServiceConfig
from pairmill.store.settings import S3Config

Field: TypeAlias = Any
"""A field's descriptor; which of two classes it is depends on how protobuf was built."""

SERVICES: Final = {
    "crawler": "CrawlerConfig",
    "planner": "PlannerConfig",
    "downloader": "DownloaderConfig",
    "inference": "InferenceConfig",
    "scorer": "ScorerConfig",
    "finaliser": "FinaliserConfig",
    "indexer": "IndexerConfig",
    "gateway": "ClusterConfig",
    "explorer": "ExplorerConfig",
}
OF_ONE_JOB: Final = {"gateway": "GatewayConfig"}
"""Services that may also be started for a single job, with other variables."""


@dataclass(frozen=True, slots=True)
class SharedSettings:
    """Variables of an outside thing that several services reach alike; they stand in one table."""

    title: str
    config: type[Any]

    @property
    def anchor(self) -> str:
        """The anchor of its heading."""
        return self.title.lower().replace(" ", "-")


SHARED: Final[Mapping[str, SharedSettings]] = {
    "kafka": SharedSettings("Kafka", KafkaConfig),
    "s3": SharedSettings("S3", S3Config),
    "rpc": SharedSettings("gRPC API", RpcConfig),
}
"""By the name of the field that a service's configuration has for it."""
JOB_PROTO: Final = "protos/pairmill/job/v1/job.proto"

_INTRODUCTION: Final = """\
# Settings

Two kinds. **Rules of a job** decide what the dataset is; they are pinned when a job is admitted, stand in \
`dataset.json`, and are set by a profile and by `--set FIELD=VALUE`. **Variables of a service** say how a \
process works and change nothing about the result; `pairmill run` sets those that it has to.
"""

_RULES: Final = """
## Rules of a job
Defaults are those of the profile `default`; a list is written with commas, an empty value clears a field, \
an entry of a map is addressed by its key: `score.min_similarity.en=0.3`.

| field | type | default | meaning |
|---|---|---|---|
"""

_VARIABLES: Final = """
## Variables of a service
Nested fields are written with `__`. What is missing or wrong is reported at once, and the process ends with \
2.

### Every stage
"""

_ONE_JOB: Final = """
With `PAIRMILL_SPEC_KEY` set it drives that one job on this machine, as `pairmill run` does, and has these \
instead:

"""

_MESSAGE = re.compile(r"^message (\w+) \{$")
_COMMENT = re.compile(r"^\s*//\s?(.*)$")
_FIELD = re.compile(r"^\s*(?:optional |repeated )?(?:map<[^>]+>|[\w.]+) (\w+) = \d+;")
_TRAILING = re.compile(r"^\s+(\w+): [^#]*?(?:#\s*(.*))?$")


def settings_page(root: Path) -> str:
    """Returns the page; `root` is the repository, whose schemas hold the meaning of each rule."""
    return "".join((_INTRODUCTION, *_rules((root / JOB_PROTO).read_text()), *_variables()))


# Rules of a job


def _rules(proto: str) -> Iterator[str]:
    comments = proto_comments(proto)
    spec = profile("default")
    yield _RULES
    yield _rule("wave_size", spec, "wave_size", comments["JobSpec"])
    for group in SETTABLE:
        message = getattr(spec, group)
        for field in message.DESCRIPTOR.fields:
            if field.message_type is None or _is_map(field):
                yield _rule(f"{group}.{field.name}", message, field.name, comments[message.DESCRIPTOR.name])


def _rule(name: str, message: Message, field_name: str, comments: Mapping[str, str]) -> str:
    field = message.DESCRIPTOR.fields_by_name[field_name]
    return f"| `{name}` | {_type(field)} | {_default(message, field)} | {comments[field_name]} |\n"


def _type(field: Field) -> str:
    if _is_map(field) and field.message_type is not None:
        return f"{_scalar(field.message_type.fields_by_name['value'])} by key"
    return f"list of {_scalar(field)}" if field.is_repeated else _scalar(field)


def _scalar(field: Field) -> str:
    if field.enum_type is not None:
        names = (_choice(field, number) for number in sorted(field.enum_type.values_by_number) if number)
        return "one of " + ", ".join(names)
    kinds = {
        FieldDescriptor.CPPTYPE_BOOL: "yes or no",
        FieldDescriptor.CPPTYPE_STRING: "text",
        FieldDescriptor.CPPTYPE_FLOAT: "number",
        FieldDescriptor.CPPTYPE_DOUBLE: "number",
    }
    return kinds.get(field.cpp_type, "whole number")


def _default(message: Message, field: Field) -> str:
    value: Any = getattr(message, field.name)
    if field.has_presence and not message.HasField(field.name):
        return "unset"
    if _is_map(field):
        return ", ".join(f"{key}={number:g}" for key, number in sorted(value.items())) or "none"
    if field.is_repeated:
        return ", ".join(f"{part:g}" if isinstance(part, float) else str(part) for part in value) or "none"
    if field.enum_type is not None:
        return _choice(field, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value or "empty")


def _choice(field: Field, number: int) -> str:
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", field.enum_type.name).upper() + "_"
    return str(field.enum_type.values_by_number[number].name).removeprefix(prefix).lower()


def _is_map(field: Field) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def proto_comments(proto: str) -> Mapping[str, Mapping[str, str]]:
    """Returns, by message and field, the comment that stands before the field."""
    comments: dict[str, dict[str, str]] = {}
    message, lines = "", list[str]()
    for line in proto.splitlines():
        if found := _COMMENT.match(line):
            lines.append(found.group(1))
            continue
        if found := _MESSAGE.match(line):
            message = found.group(1)
            comments[message] = {}
        elif (found := _FIELD.match(line)) and message:
            comments[message][found.group(1)] = " ".join(lines)
        lines = []
    return comments


# Variables of a service


def _variables() -> Iterator[str]:
    yield _VARIABLES
    yield variables_table(ServiceConfig)
    for field, shared in SHARED.items():
        yield f"\n### {shared.title}\n"
        yield variables_table(shared.config, f"PAIRMILL_{field.upper()}__")
    for service in SERVICES:
        yield f"\n### {service.capitalize()}\n"
        yield service_tables(service)


def service_tables(service: str) -> str:
    """Returns the variables that a service has of its own."""
    module = importlib.import_module(f"pairmill_{service}.config")
    tables = variables_table(getattr(module, SERVICES[service]))
    if service in OF_ONE_JOB:
        tables += _ONE_JOB + variables_table(getattr(module, OF_ONE_JOB[service]))
    return tables


def shared_by(config: type[Any]) -> list[str]:
    """Returns which of the shared settings a configuration has."""
    names = {field.name for field in dataclasses.fields(config)}
    return [name for name in SHARED if name in names]


def variables_table(config: type[Any], prefix: str = "PAIRMILL_") -> str:
    """Returns the variables of a configuration as a table, without those that are shared."""
    meanings = dict(_meanings(config, prefix))
    elsewhere = tuple(f"{prefix}{name.upper()}__" for name in shared_by(config))
    own = (variable for variable in document(config, prefix) if not variable.name.startswith(elsewhere))
    lines = [_variable(variable, meanings) for variable in own]
    return "| variable | type | default | meaning |\n|---|---|---|---|\n" + "".join(lines)


def _variable(variable: Variable, meanings: Mapping[str, str]) -> str:
    meaning = meanings.get(variable.name.removesuffix("_FILE"), meanings.get(variable.name, ""))
    said = {"True": "yes", "False": "no"}.get(variable.default, variable.default)
    default = "must be set" if variable.is_required else f"`{said}`" if said else "none"
    return f"| `{variable.name}` | {variable.kind} | {default} | {meaning} |\n"


def _meanings(config: type[Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Yields the comment behind each field of a dataclass, by the name of its variable."""
    hints = typing.get_type_hints(config)
    said = {
        found.group(1): found.group(2) or ""
        for base in config.__mro__
        if dataclasses.is_dataclass(base)
        for line in inspect.getsource(base).splitlines()
        if (found := _TRAILING.match(line))
    }
    for field in dataclasses.fields(config):
        name = prefix + field.name.upper()
        if dataclasses.is_dataclass(hints[field.name]) and isinstance(hints[field.name], type):
            yield from _meanings(hints[field.name], name + "__")
        yield name, said.get(field.name, "")
