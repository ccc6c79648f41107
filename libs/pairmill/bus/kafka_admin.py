"""What operators and tests do to a Kafka cluster; services never do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kafka import TopicPartition as Place  # type: ignore[import-untyped]  # the client has no types
from kafka import errors
from kafka.admin import (  # type: ignore[import-untyped]  # as above
    ConfigResource,
    ConfigResourceType,
    MemberToRemove,
    OffsetSpec,
)

from pairmill.bus.kafka_clients import KafkaClients, close_admin
from pairmill.bus.kafka_errors import translate, translated
from pairmill.bus.kafka_lazy import Lazy
from pairmill.bus.kafka_metadata import Metadata, raise_if_moved
from pairmill.bus.port import TopicPartition
from pairmill.bus.settings import KafkaConfig
from pairmill.closing import Closing
from pairmill.errors import ConfigurationError, RetriableError

_PATIENCE_SECONDS: Final = 30.0  # until all brokers know of a change
_LOOK_SECONDS: Final = 0.05
_DELETED: Final = ("OK", errors.GroupIdNotFoundError.__name__)  # how the client tells that a group is gone
_APPEND_TIME: Final = {"message.timestamp.type": "LogAppendTime"}


@dataclass(frozen=True, slots=True)
class Keepers:
    """The brokers that have a partition, by their node ids."""

    leader: int  # -1 while there is none
    in_sync: frozenset[int]  # those that have all of it


class KafkaAdmin(Closing):
    """Creates, changes and deletes topics and groups. Connects when first used."""

    def __init__(self, servers: tuple[str, ...], config: KafkaConfig) -> None:
        clients = KafkaClients(servers, config)
        self._client = Lazy(clients.admin, close_admin)
        self._metadata = Metadata(clients, age_seconds=0.0)

    # Topics

    def create_topic(
        self,
        topic: str,
        partitions: int,
        *,
        replication: int = -1,
        settings: Mapping[str, str] = _APPEND_TIME,
    ) -> None:
        """Creates a topic and waits until it can be used; does nothing if it exists.

        `replication` -1 takes the broker's default. Raises ConfigurationError if it exists with
        another number of partitions.
        """
        wanted = {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": dict(settings),
        }
        with translated(f"creating topic {topic}"):
            try:
                self._client.get().create_topics({topic: wanted}, wait_for_metadata=True)
            except errors.TopicAlreadyExistsError:
                self._require_partitions(topic, partitions)

    def _require_partitions(self, topic: str, partitions: int) -> None:
        found = self._metadata.topic(topic).partitions
        if found != partitions:
            raise ConfigurationError(f"topic {topic!r} exists with {found} partitions, not {partitions}")

    def add_partitions(self, topic: str, partitions: int) -> None:
        """Raises the number of a topic's partitions."""
        with translated(f"adding partitions to {topic}"):
            self._client.get().create_partitions({topic: partitions})
        self._wait(lambda: self._metadata.topic(topic).partitions == partitions, f"partitions of {topic}")

    def topic_partitions(self) -> dict[str, int]:
        """Returns every topic with its number of partitions."""
        with translated("listing topics"):
            names = self._client.get().list_topics()
        return {name: facts.partitions for name, facts in self._metadata.ask(names).items()}

    def broker_count(self) -> int:
        """Returns how many brokers the cluster has now."""
        with translated("asking for the brokers"):
            return len(self._client.get().describe_cluster()["brokers"])

    def topic_replication(self, topic: str) -> int:
        """Returns on how many brokers each message of a topic stands."""
        with translated(f"asking for topic {topic}"):
            answer = self._client.get().describe_topics([topic])[0]
        return min((len(each["replica_nodes"]) for each in answer["partitions"]), default=0)

    def keepers(self, topic: str) -> list[Keepers]:
        """Returns by partition which brokers of a topic have it now."""
        with translated(f"asking for topic {topic}"):
            answer = self._client.get().describe_topics([topic])[0]
        partitions = sorted(answer["partitions"], key=lambda each: int(each["partition_index"]))
        return [Keepers(int(each["leader_id"]), frozenset(each["isr_nodes"])) for each in partitions]

    def topic_settings(self, topic: str, names: tuple[str, ...]) -> dict[str, str]:
        """Returns settings of a topic as they are in force."""
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, dict.fromkeys(names))
        with translated(f"asking for the settings of {topic}"):
            answer = self._client.get().describe_configs([resource], config_filter="all")
        return {name: str(found["value"]) for name, found in answer["topic"][topic].items() if name in names}

    def change_settings(self, topic: str, settings: Mapping[str, str]) -> None:
        """Sets settings of a topic; all others stay as they are."""
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, dict(settings))
        with translated(f"setting {', '.join(settings)} of {topic}"):
            self._client.get().alter_configs([resource])

    def delete_topic(self, topic: str) -> None:
        """Deletes a topic with its messages, and waits until it is gone; does nothing if it is not there."""
        with translated(f"deleting topic {topic}"):
            try:
                self._client.get().delete_topics([topic])
            except errors.UnknownTopicOrPartitionError:
                return
        self._wait(lambda: not self._metadata.ask([topic]), f"the end of {topic}")

    def trim(self, source: TopicPartition, before: int) -> None:
        """Deletes messages with smaller offsets, as retention would."""
        self._metadata.trim(source, before)

    # Groups

    def delete_group(self, group: str) -> None:
        """Forgets a group's offsets and members; does nothing if there is no such group."""
        self._remove_members(group)
        doing = f"deleting group {group}"

        def delete(client: Any) -> str:
            name = str(client.delete_groups([group])[group])
            raise_if_moved(name)
            return name

        name = self._metadata.of_group(doing, delete)
        if name not in _DELETED:
            raise translate(getattr(errors, name)(), doing)

    def _remove_members(self, group: str) -> None:
        doing = f"removing the members of {group}"
        leaving = [
            MemberToRemove(member_id=member["member_id"], group_instance_id=member["group_instance_id"])
            for member in self._metadata.members(group)
        ]
        if leaving:
            self._metadata.of_group(doing, lambda client: client.remove_group_members(group, leaving))

    def reset_offsets(self, group: str, topic: str, *, to_end: bool) -> None:
        """Sets a group's offsets of a topic to the start or the end; the group must have no members."""
        where = OffsetSpec.LATEST if to_end else OffsetSpec.EARLIEST
        places = {
            Place(topic, partition): where for partition in range(self._metadata.topic(topic).partitions)
        }
        doing = f"setting the offsets of {group}"

        def reset(client: Any) -> list[Any]:
            kinds = [answer["error"] for answer in client.reset_group_offsets(group, places).values()]
            raise_if_moved(" ".join(kind.__name__ for kind in kinds))
            return kinds

        for kind in self._metadata.of_group(doing, reset):
            if kind is not errors.NoError:
                raise translate(kind(), doing)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise RetriableError(f"{what}: the brokers do not agree yet")
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Closes all connections."""
        self._client.discard()
        self._metadata.close()
