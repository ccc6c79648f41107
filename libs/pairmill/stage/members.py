"""Members of a consumer group: their names, and what they need of the topics that they share out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pairmill.bus.port import Bus
from pairmill.errors import ConfigurationError

_DIGITS: Final = 4
_ORDINAL: Final = re.compile(r"^(.*\D)?(\d+)$")


def member_name(name: str) -> str:
    """Returns a name whose number at the end, as of a pod of a StatefulSet, is padded with zeros (U10).

    Partitions are shared out in the order of names: so member 10 comes after member 9, and more members
    move few partitions.
    """
    found = _ORDINAL.match(name)
    return f"{found[1] or ''}{found[2]:0>{_DIGITS}}" if found else name


class CommonPartitions:
    """The number of partitions that some topics share, known as soon as the bus was asked."""

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = tuple(topics)
        self._count = 0

    @property
    def count(self) -> int:
        """The number; 0 before it was learnt."""
        return self._count

    def learn(self, bus: Bus) -> None:
        """Asks the bus; raises RetriableError while it or a topic is away.

        Raises ConfigurationError where topics disagree: then one member would not own a host in every
        round (U10).
        """
        counts = {topic: bus.partitions(topic) for topic in self._topics}
        if len(set(counts.values())) != 1:
            found = ", ".join(f"{topic} has {count}" for topic, count in counts.items())
            raise ConfigurationError(f"topics: {found} partitions; give all of them the same number")
        self._count = next(iter(counts.values()))
