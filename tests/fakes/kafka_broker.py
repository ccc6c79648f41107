"""A Kafka bus together with what operators do to it, as the contract of the bus wants it."""

from __future__ import annotations

from pairmill.bus.kafka import KafkaBus
from pairmill.bus.kafka_admin import KafkaAdmin
from pairmill.bus.settings import KafkaConfig

SESSION_SECONDS = 1.5

PROMPT = KafkaConfig(
    session_timeout_seconds=SESSION_SECONDS,
    max_poll_interval_seconds=2.0,
    request_timeout_seconds=10.0,
    delivery_timeout_seconds=20.0,
    metadata_age_seconds=0.0,
)
"""Settings by which a test sees at once what operators change, and does not wait long for a death."""


class KafkaBroker(KafkaBus):
    """Has what `BusAdmin` has, too."""

    def __init__(self, servers: tuple[str, ...], config: KafkaConfig = PROMPT) -> None:
        super().__init__(servers, config)
        self.admin = KafkaAdmin(servers, config)

    def create_topic(self, topic: str, partitions: int) -> None:
        self.admin.create_topic(topic, partitions)

    def delete_topic(self, topic: str) -> None:
        self.admin.delete_topic(topic)

    def delete_group(self, group: str) -> None:
        self.admin.delete_group(group)

    def reset_offsets(self, group: str, topic: str, *, to_end: bool) -> None:
        self.admin.reset_offsets(group, topic, to_end=to_end)

    def has_member(self, group: str, member: str) -> bool:
        """Whether the broker counts a member as one of a group."""
        return self._metadata.has_member(group, member)

    def close(self) -> None:
        super().close()
        self.admin.close()
