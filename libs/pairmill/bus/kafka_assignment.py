"""What a member's client tells of its partitions, on another thread, until the member looks (U10)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kafka import ConsumerRebalanceListener  # type: ignore[import-untyped]  # the client has no types

from pairmill.bus.port import TopicPartition


@dataclass(frozen=True, slots=True)
class Assigned:
    """The group gave the member these partitions."""

    owned: frozenset[TopicPartition]


@dataclass(frozen=True, slots=True)
class Lost:
    """The group took the member for dead; its partitions may be others' already."""


class Notes(ConsumerRebalanceListener):  # type: ignore[misc]  # the base class is untyped
    """Called by the client while it is in a poll: it notes, and acts on nothing.

    That partitions are taken before a new assignment is made is not noted: until then they are
    nobody else's, and most come back.
    """

    def __init__(self) -> None:
        self._notes: deque[Assigned | Lost] = deque()

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Notes nothing: the next assignment says what became of them."""

    def on_partitions_lost(self, lost: Iterable[Any]) -> None:
        """Notes the loss."""
        self._notes.append(Lost())

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Notes the assignment."""
        self._notes.append(Assigned(frozenset(TopicPartition(at.topic, at.partition) for at in assigned)))

    def take(self) -> list[Assigned | Lost]:
        """Returns what was noted since the last call, oldest first."""
        taken = []
        while self._notes:
            taken.append(self._notes.popleft())
        return taken
