"""`helm/pairmill/files/topics.yaml`: the topics that the repository declares, for templates to read."""

from __future__ import annotations

import json
import tomllib
from typing import Any, Final

from tests.conftest import REPOSITORY
from tests.unit.chart.rendering import CHART

PATH: Final = CHART / "files" / "topics.yaml"
DECLARED: Final = REPOSITORY / "deploy" / "kafka" / "topics.toml"
_HEAD: Final = (
    "# The topics of deploy/kafka/topics.toml, where the reasons stand beside the settings. Written by\n"
    "# `python -m tests.unit.chart.write`.\n"
)


def topics_file() -> str:
    """Returns what the file has to hold."""
    lines = [_HEAD]
    for topic, (partitions, config) in topics().items():
        lines.append(f"{topic}:\n  partitions: {partitions}\n  config:\n")
        lines.extend(f"    {name}: {json.dumps(value)}\n" for name, value in config.items())
    return "".join(lines)


def topics() -> dict[str, tuple[int | str, dict[str, Any]]]:
    """Returns partitions and settings of each topic; `work` stands for what an installation says."""
    declared = tomllib.loads(DECLARED.read_text())
    return {
        topic: (own["partitions"], {**declared["defaults"], **_without_partitions(own)})
        for topic, own in declared["topics"].items()
    }


def _without_partitions(own: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in own.items() if name != "partitions"}
