"""The bus as one of several jobs sees it: what all jobs read is read once, and no job reads for long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import Final

from pairmill.bus.port import Bus, Consumer, Message, Outgoing, TopicPartition
from pairmill.units import LEDGER_TOPIC, PROGRESS_TOPIC

RECORDS_PER_TURN: Final = 10_000
_SHARED: Final = (LEDGER_TOPIC, PROGRESS_TOPIC)


class SharedPages:
    """What was read in this round of turns. Jobs that have caught up stand at the same places.

    Used by the loop's thread and, between its turns, by those of the API; a page read twice does no harm.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._pages: dict[tuple[TopicPartition, int, int], Sequence[Message]] = {}
        self.ends: dict[TopicPartition, int] = {}  # of the ledger, where it was read to its end in this round

    def next_round(self) -> None:
        """Forgets what was read, and where that ended."""
        self._pages, self.ends = {}, {}

    def forget(self) -> None:
        """Forgets what was read in this round."""
        self._pages = {}

    def read(self, source: TopicPartition, *, start: int, max_records: int) -> Sequence[Message]:
        """Returns messages like the bus, as of their first reading in this round."""
        pages, place = self._pages, (source, start, max_records)
        if place not in pages:
            pages[place] = self._bus.read(source, start=start, max_records=max_records)
            if not pages[place] and source.topic == LEDGER_TOPIC:
                self.ends[source] = start
        return pages[place]


class JobBus(AbstractContextManager["Bus"]):
    """Passes on to the bus. Of ledger and progress a turn sees so much; the next one goes on."""

    def __init__(self, bus: Bus, pages: SharedPages, first_place: int = 0) -> None:
        """Below `first_place` the ledger holds nothing of the job, but much of others."""
        self._bus = bus
        self._first_place = first_place
        self._shared = pages
        self._records_left = RECORDS_PER_TURN
        self._ends: dict[TopicPartition, int] = {}
        self._epochs: dict[str, str] = {}
        self.cut_short = False  # whether the turn saw less than there is

    def begin_turn(self, *, anew: bool = False) -> None:
        """Allows records again; `anew` asks for what stands there now, not as of this round."""
        if anew:
            self._shared.forget()
        self._records_left, self.cut_short = RECORDS_PER_TURN, False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The bus behind belongs to whoever opened it."""

    def read(self, source: TopicPartition, *, start: int, max_records: int) -> Sequence[Message]:
        """Returns messages; none where the turn has had its share of a topic that all jobs read."""
        self._forget()
        if source.topic not in _SHARED:
            return self._bus.read(source, start=start, max_records=max_records)
        if self._records_left <= 0:
            self.cut_short = True
            return ()
        if source.topic == LEDGER_TOPIC:
            start = max(start, self._first_place)
        messages = self._shared.read(source, start=start, max_records=max_records)
        self._records_left -= len(messages)
        return messages

    def watch(self, places: Mapping[TopicPartition, int], tell: Callable[[], None]) -> bool:
        """Passes on."""
        return self._bus.watch(places, tell)

    def start_offset(self, source: TopicPartition) -> int:
        """Passes on."""
        return self._bus.start_offset(source)

    def end_offset(self, source: TopicPartition) -> int:
        """Returns the end of a partition, as of a moment after all that was read and published."""
        if source not in self._ends:
            self._ends[source] = self._bus.end_offset(source)
        return self._ends[source]

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Passes on."""
        self._forget()
        self._bus.publish(messages)

    def consumer(self, *, group: str, topics: Sequence[str], member: str) -> Consumer:
        """Passes on."""
        return self._bus.consumer(group=group, topics=topics, member=member)

    def partitions(self, topic: str) -> int:
        """Passes on."""
        return self._bus.partitions(topic)

    def committed(self, group: str, source: TopicPartition) -> int | None:
        """Passes on."""
        return self._bus.committed(group, source)

    def trim(self, source: TopicPartition, before: int) -> None:
        """Passes on."""
        self._bus.trim(source, before)

    def has_members(self, group: str) -> bool:
        """Passes on."""
        return self._bus.has_members(group)

    def topic_epoch(self, topic: str) -> str:
        """Returns the name of a topic's life, as of a moment after all that was read and published."""
        if topic not in self._epochs:
            self._epochs[topic] = self._bus.topic_epoch(topic)
        return self._epochs[topic]

    def now(self) -> datetime:
        """Passes on."""
        return self._bus.now()

    def ping(self) -> None:
        """Passes on."""
        self._bus.ping()

    def close(self) -> None:
        """The bus behind belongs to whoever opened it."""

    def _forget(self) -> None:
        self._ends.clear()
        self._epochs.clear()
