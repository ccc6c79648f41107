"""`pairmill topics` on a real broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.local.kafka import KafkaServer
from pairmill.bus.topic_declarations import read_declarations
from pairmill_standalone.cli.app import build_app
from tests.fakes.components import Servers
from tests.fakes.kafka_broker import KafkaBroker

DECLARED = {topic.name for topic in read_declarations().topics}


@pytest.fixture(scope="module")
def server(shared_servers: Servers) -> KafkaServer:
    """A broker of this module's own: the topics have the names that they have everywhere."""
    return shared_servers.start(KafkaServer)


def topics(server: KafkaServer, verb: str, *arguments: str) -> Result:
    """Runs `pairmill topics VERB`."""
    return CliRunner().invoke(build_app(), ["topics", verb, "--bus-url", server.bus_url, *arguments])


def differences(result: Result) -> list[dict[str, str]]:
    """Returns what a run with --json printed."""
    found: list[dict[str, str]] = json.loads(result.stdout)
    return found


def test_u19_topics_are_made_changed_and_never_lowered(server: KafkaServer) -> None:
    """One story, because each step wants the broker as the one before left it."""
    empty = topics(server, "check", "--json")
    assert empty.exit_code == 1
    assert {each["topic"] for each in differences(empty)} == DECLARED

    assert topics(server, "apply", "--partitions", "4").exit_code == 0
    assert topics(server, "check").exit_code == 0, "without a number the present one counts"
    again = topics(server, "apply", "--partitions", "4", "--json")
    assert (again.exit_code, differences(again)) == (0, [])

    with KafkaBroker((server.address,)) as broker:
        assert broker.partitions("download-retry-3") == 4
        broker.admin.change_settings("ledger", {"retention.ms": "1000", "segment.ms": "5000"})
        broker.admin.delete_topic("progress")
        broker.admin.create_topic("not-ours", 3)
    drifted = topics(server, "check", "--json")
    assert drifted.exit_code == 1
    assert {(each["topic"], each["what"]) for each in differences(drifted)} == {
        ("ledger", "retention.ms"),
        ("ledger", "segment.ms"),
        ("progress", "partitions"),
    }
    assert topics(server, "apply", "--partitions", "6").exit_code == 0
    assert topics(server, "check", "--partitions", "6").exit_code == 0

    lowered = topics(server, "apply", "--partitions", "2")
    assert lowered.exit_code == 2
    assert "--partitions" in lowered.stderr
    with KafkaBroker((server.address,)) as broker:
        assert {broker.partitions(topic.name) for topic in read_declarations(6).topics if topic.is_work} == {
            6
        }
        assert broker.partitions("not-ours") == 3

    refused = topics(server, "check", "--replication", "3", "--json")
    assert refused.exit_code == 1
    assert {each["remedy"] for each in differences(refused)} == {"refuse"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--bus-url", "sqlite:///state/bus.db"], 2, "--bus-url"),
        (["--bus-url", "kafka://127.0.0.1:1"], 1, "127.0.0.1:1"),
        (["--bus-url", "kafka://127.0.0.1:port"], 2, "bus_url"),
        (["--bus-url", "kafka://127.0.0.1:1", "--partitions", "0"], 2, "partitions"),
    ],
)
def test_a_wrong_request_is_told_from_a_broker_that_is_away(
    arguments: list[str], code: int, says: str
) -> None:
    result = CliRunner().invoke(build_app(), ["topics", "check", *arguments])
    assert result.exit_code == code
    assert says in result.stderr


def test_a_file_of_declarations_takes_the_place_of_ours(server: KafkaServer, tmp_path: Path) -> None:
    file = tmp_path / "topics.toml"
    file.write_text('work_partitions = 1\n[topics.one-more]\npartitions = 2\n"retention.ms" = 60000\n')
    assert topics(server, "apply", "--file", str(file)).exit_code == 0
    with KafkaBroker((server.address,)) as broker:
        assert broker.admin.topic_settings("one-more", ("retention.ms",)) == {"retention.ms": "60000"}
