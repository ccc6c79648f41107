"""The declared topics are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from pairmill.bus.topic_declarations import read_declarations
from pairmill.bus.topics import topic_partitions
from pairmill.errors import ConfigurationError
from pairmill.units import JOBS_TOPIC, LEDGER_TOPIC, STAGE_TOPICS


def test_u19_the_declared_topics_and_partitions_are_those_of_the_code() -> None:
    declared = {topic.name: topic.partitions for topic in read_declarations(7).topics}
    assert declared == topic_partitions(7)


def test_u10_exactly_the_stages_topics_are_partitioned_alike() -> None:
    work = {topic.name for topic in read_declarations().topics if topic.is_work}
    assert work == {topic for topics in STAGE_TOPICS.values() for topic in topics}


def test_u9_the_broker_stamps_every_topic() -> None:
    assert {topic.settings["message.timestamp.type"] for topic in read_declarations().topics} == {
        "LogAppendTime"
    }


@pytest.mark.parametrize("name", [JOBS_TOPIC, LEDGER_TOPIC])
def test_u19_what_healing_cannot_rebuild_is_never_deleted(name: str) -> None:
    settings = next(topic.settings for topic in read_declarations().topics if topic.name == name)
    assert settings["retention.ms"] == settings["retention.bytes"] == "-1"
    assert settings["unclean.leader.election.enable"] == "false"


@pytest.mark.parametrize(("replication", "expected"), [(1, "1"), (2, "1"), (3, "2"), (5, "2")])
def test_the_loss_of_one_broker_stops_nobody(replication: int, expected: str) -> None:
    topic = read_declarations().topics[0]
    assert topic.settings_for(replication)["min.insync.replicas"] == expected


def test_without_a_number_the_file_says_how_many_partitions() -> None:
    declarations = read_declarations()
    assert {topic.partitions for topic in declarations.topics if topic.is_work} == {
        declarations.work_partitions
    }


@pytest.mark.parametrize(
    "text",
    ["", "work_partitions = 4", "not toml =", 'work_partitions = 4\n[topics.x]\npartitions = "many"\n'],
)
def test_a_file_that_declares_nothing_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "topics.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="--file"):
        read_declarations(file=file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="--file"):
        read_declarations(file=tmp_path / "none.toml")
