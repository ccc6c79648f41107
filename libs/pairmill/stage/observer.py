"""What the stage loop tells about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from pairmill.bus.port import TopicPartition
from pairmill.stage.port import Tally
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

UnitEnding = Literal["done", "failed", "retried", "cut_off", "unwanted", "poison"]


class StageObserver(Protocol):
    """Takes measures. Called by the loop's thread only."""

    def unit_ended(self, ending: UnitEnding, seconds: float) -> None:
        """A unit left the worker threads after that many seconds of work."""
        ...

    def rows(self, tally: Tally) -> None:
        """A unit that counted as done had these rows."""
        ...

    def stored(self, outputs: Sequence[ObjectRef]) -> None:
        """A unit that counted as done had written these objects."""
        ...

    def units_in_flight(self, units: int) -> None:
        """Units at work now."""
        ...

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """The group's offsets (next to read) of these partitions moved on."""
        ...

    def lag(self, lag: Mapping[TopicPartition, int]) -> None:
        """Messages after the committed offset, per owned partition."""
        ...

    def paused(self, cause: str, paused: bool) -> None:
        """The stage takes no new work for this cause (`dependency`, `breaker`), or does again."""
        ...


class NullObserver:
    """Takes measures and forgets them."""

    def unit_ended(self, ending: UnitEnding, seconds: float) -> None:
        """Does nothing."""

    def rows(self, tally: Tally) -> None:
        """Does nothing."""

    def stored(self, outputs: Sequence[ObjectRef]) -> None:
        """Does nothing."""

    def units_in_flight(self, units: int) -> None:
        """Does nothing."""

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Does nothing."""

    def lag(self, lag: Mapping[TopicPartition, int]) -> None:
        """Does nothing."""

    def paused(self, cause: str, paused: bool) -> None:
        """Does nothing."""
