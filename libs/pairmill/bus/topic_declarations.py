"""The topics of a cluster as they are declared: partitions, and settings in Kafka's own words (U19)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pairmill.errors import ConfigurationError

_NAME: Final = "topics.toml"
_WORK: Final = "work"
_MIN_INSYNC: Final = "min.insync.replicas"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDeclaration:
    """A topic as it should be."""

    name: str
    partitions: int
    is_work: bool  # whether its number of partitions is that of all work topics
    settings: Mapping[str, str]

    def settings_for(self, replication: int) -> dict[str, str]:
        """Returns the settings where each message stands on so many brokers: one may be lost."""
        least = max(1, min(int(self.settings.get(_MIN_INSYNC, "1")), replication - 1))
        return {**self.settings, _MIN_INSYNC: str(least)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """All topics of a file."""

    work_partitions: int
    topics: tuple[TopicDeclaration, ...]


def read_declarations(partitions: int | None = None, file: Path | None = None) -> Declarations:
    """Returns the declared topics, the work topics with `partitions`, or as many as the file says.

    Without a file those that ship with Pairmill. Raises ConfigurationError for a file that is wrong.
    """
    text = _shipped() if file is None else _read(file)
    try:
        document = tomllib.loads(text)
        work = partitions or int(document["work_partitions"])
        topics = tuple(
            _declaration(name, table, document.get("defaults", {}), work)
            for name, table in document["topics"].items()
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"--file: {file or _NAME} declares no topics ({error})") from error
    return Declarations(work_partitions=work, topics=topics)


def _declaration(
    name: str, table: Mapping[str, Any], defaults: Mapping[str, Any], work: int
) -> TopicDeclaration:
    settings = {**defaults, **table}
    partitions = settings.pop("partitions")
    is_work = partitions == _WORK
    return TopicDeclaration(
        name=name,
        partitions=work if is_work else int(partitions),
        is_work=is_work,
        settings={key: _in_words_of_kafka(value) for key, value in sorted(settings.items())},
    )


def _in_words_of_kafka(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shipped() -> str:
    """Returns the file inside the installed package, or beside the sources in a checkout."""
    packaged = resources.files("pairmill.bus").joinpath(_NAME)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return _read(Path(__file__).resolve().parents[3] / "deploy" / "kafka" / _NAME)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--file: {file} cannot be read ({error})") from error
