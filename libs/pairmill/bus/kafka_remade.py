"""Notices topics that were deleted and made anew under a member (U5).

Its position would be a place in the old topic: beyond the new one's end, or, worse, in the middle
of it, where messages before would never be read.
"""

from __future__ import annotations

import time
from typing import Final

from pairmill.bus.kafka_metadata import Metadata
from pairmill.bus.port import TopicPartition
from pairmill.errors import RetriableError

_ASK_SECONDS: Final = 5.0


class RemadeTopics:
    """Compares the topics' ids now and then."""

    def __init__(self, metadata: Metadata, topics: tuple[str, ...]) -> None:
        self._metadata = metadata
        self._topics = topics
        self._epochs: dict[str, str] = {}
        self._asked_at: float | None = None

    def among(self, owned: frozenset[TopicPartition]) -> frozenset[TopicPartition]:
        """Returns the partitions whose topic is another than when last asked."""
        now = time.monotonic()
        if self._asked_at is not None and now - self._asked_at < _ASK_SECONDS:
            return frozenset()
        self._asked_at = now
        try:
            found = {name: facts.epoch for name, facts in self._metadata.ask(self._topics).items()}
        except RetriableError:
            return frozenset()  # asked again next time; nobody loses partitions over a question
        remade = {name for name, epoch in found.items() if self._epochs.get(name, epoch) != epoch}
        self._epochs.update(found)
        return frozenset(source for source in owned if source.topic in remade)
