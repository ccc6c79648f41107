"""The topics of Pairmill (U19)."""

from __future__ import annotations

from pairmill.bus.port import Bus, BusAdmin
from pairmill.errors import ConfigurationError
from pairmill.units import (
    DEAD_LETTERS_TOPIC,
    JOBS_TOPIC,
    LEDGER_TOPIC,
    PROGRESS_TOPIC,
    STAGE_TOPICS,
)


def topic_partitions(partitions: int) -> dict[str, int]:
    """Returns every topic with its number of partitions, `partitions` for the work topics."""
    work = {topic: partitions for topics in STAGE_TOPICS.values() for topic in topics}
    return {JOBS_TOPIC: 1, LEDGER_TOPIC: 1, PROGRESS_TOPIC: 1, DEAD_LETTERS_TOPIC: 1, **work}


def create_topics(bus: Bus | BusAdmin, partitions: int) -> None:
    """Creates the topics of an embedded bus; only there do clients create topics."""
    if not hasattr(bus, "create_topic"):
        raise ConfigurationError("the bus does not let its clients create topics")
    for topic, count in topic_partitions(partitions).items():
        bus.create_topic(topic, count)
