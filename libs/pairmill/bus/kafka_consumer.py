"""A member of a consumer group on Kafka (U10).

The client joins with the first poll. Its input and output run on a thread of its own; all that this
class keeps belongs to the thread that polls, but for the queue that wakes it.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import structlog
from kafka import OffsetAndMetadata, errors  # type: ignore[import-untyped]  # the client has no types
from kafka import TopicPartition as Place
from kafka.structs import MemberState  # type: ignore[import-untyped]  # as above

from pairmill.bus.kafka_assignment import Assigned, Lost, Notes
from pairmill.bus.kafka_clients import KafkaClients, close_consumer
from pairmill.bus.kafka_clock import BrokerClock
from pairmill.bus.kafka_errors import translated
from pairmill.bus.kafka_lag import LagMeter
from pairmill.bus.kafka_lazy import Lazy
from pairmill.bus.kafka_metadata import Metadata
from pairmill.bus.kafka_records import message_of
from pairmill.bus.kafka_remade import RemadeTopics
from pairmill.bus.port import Message, TopicPartition
from pairmill.errors import PairmillError

log = structlog.get_logger(__name__)

_LEAST_JOIN_SECONDS: Final = 0.25  # that a look may take while the group is being made
_MEMBER_REST_SECONDS: Final = 0.25  # longest wait between two looks; messages and wakes end it at once
_NOT_A_MEMBER: Final = (
    errors.CommitFailedError,
    errors.RebalanceInProgressError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
    errors.FencedInstanceIdError,
)

Poke = bool  # what wakes a rest: True where the poll is to end, False where something may have come


class KafkaMember:
    """Polls for messages; keeps what was paused and what is still to be committed over a rebalance."""

    def __init__(
        self,
        clients: KafkaClients,
        metadata: Metadata,
        clock: BrokerClock,
        *,
        group: str,
        topics: tuple[str, ...],
        member: str,
        session_seconds: float,
    ) -> None:
        self._clients = clients
        self._metadata = metadata
        self._clock = clock
        self._group = group
        self._topics = topics
        self._member = member
        self._session_seconds = session_seconds
        self._client = Lazy(self._join, close_consumer)
        self._notes = Notes()
        self._pokes: queue.SimpleQueue[Poke] = queue.SimpleQueue()  # the one that a signal handler may use
        self._watched: list[Any] = []  # answers under way, each of which pokes
        self._remade = RemadeTopics(metadata, topics)
        self._lag = LagMeter(metadata, group)
        self._generation = -1
        self._owned: frozenset[TopicPartition] = frozenset()
        self._returning: frozenset[TopicPartition] = frozenset()  # of topics made anew, for one look
        self._paused: frozenset[TopicPartition] = frozenset()
        self._owed: dict[TopicPartition, int] = {}  # to commit as soon as the group takes it
        self._replaced_at: float | None = None

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the group."""
        self.close()

    def _join(self) -> Any:
        client = self._clients.member(self._group, self._member)
        client.subscribe(topics=list(self._topics), listener=self._notes)
        with translated(f"asking for {', '.join(self._topics)}"):
            for topic in self._topics:  # who joins without knowing them is assigned nothing at first
                client.partitions_for_topic(topic)
        return client

    # Polling

    def poll(self, *, max_records: int, timeout_seconds: float) -> Sequence[Message]:
        """Returns messages, or nothing once the time is over, the assignment is new or it was woken."""
        deadline, generation = time.monotonic() + timeout_seconds, self._generation
        while True:
            messages = self._look(max_records)
            if messages or self._generation != generation or self._woken(deadline - time.monotonic()):
                return messages

    def _look(self, max_records: int) -> Sequence[Message]:
        if self._replaced_at is not None and not self._may_return():
            return []
        client = self._client.get()
        try:
            with translated(f"polling {', '.join(self._topics)}"):
                batches = self._poll_client(client, max_records)
        except PairmillError:
            self._give_up(client)
            raise
        self._follow(client)
        messages = [
            message_of(record)
            for place, records in batches.items()
            if TopicPartition(place.topic, place.partition) in self._owned
            for record in records
        ]
        if messages:
            self._clock.stamped_before(messages[-1].appended_at.timestamp())
        return messages

    def _poll_client(self, client: Any, max_records: int) -> Mapping[Any, Sequence[Any]]:
        """One look, which waits for nothing: what it asks for comes in meanwhile.

        Not so while the group is being made: the client forgets an assignment that comes in between
        two polls, and joins once more.
        """
        batches: Mapping[Any, Sequence[Any]] = {}
        until = time.monotonic() + _LEAST_JOIN_SECONDS
        try:
            batches = client.poll(timeout_ms=0, max_records=max_records)
            while not batches and not _is_stable(client) and time.monotonic() < until:
                batches = client.poll(timeout_ms=_LEAST_JOIN_SECONDS * 1000, max_records=max_records)
        except errors.FencedInstanceIdError:
            self._be_replaced(client)
            return {}
        if _is_stable(client) and not _is_heard(client):
            self._be_replaced(client)
            return {}
        return batches

    def _follow(self, client: Any) -> None:
        """Takes over what the client noted of the assignment."""
        if self._returning:
            self._owned |= self._returning
            self._returning = frozenset()
            self._generation += 1
        for note in self._notes.take():
            match note:
                case Assigned(owned):
                    self._take(client, owned)
                case Lost():
                    self._lose()
        if self._replaced_at is None and self._owned:
            self._restart_remade(client)
            if self._owed:
                self._pay(client)

    def _take(self, client: Any, owned: frozenset[TopicPartition]) -> None:
        self._owned = owned
        self._returning = frozenset()
        self._generation += 1
        self._paused &= owned
        client.pause(*map(_place, self._paused))
        self._owed = {source: offset for source, offset in self._owed.items() if source in owned}
        self._lag.forget()

    def _lose(self) -> None:
        """Owns nothing from now on, so that what comes later under the same name begins anew."""
        self._returning = frozenset()
        self._owed.clear()
        if self._owned:
            self._owned = frozenset()
            self._paused = frozenset()
            self._generation += 1

    def _give_up(self, client: Any) -> None:
        """Drops a client that failed; the next look makes another, which takes the old place."""
        self._notes.take()
        self._lose()
        self._watched.clear()
        self._client.discard(client)
        self._notes = Notes()

    def _restart_remade(self, client: Any) -> None:
        """Reads a topic that was made anew from its start.

        Its partitions are missing from the assignment for one look, so that what is in hand of the
        old topic, and its offsets, are given up.
        """
        remade = self._remade.among(self._owned)
        if not remade:
            return
        log.warning("topic_made_anew", topics=sorted({source.topic for source in remade}), group=self._group)
        for source in remade:
            client.seek(_place(source), 0)
        self._owed = {source: offset for source, offset in self._owed.items() if source not in remade}
        self._lag.forget()
        self._owned -= remade
        self._returning = remade
        self._generation += 1

    # Membership under another's hands

    def _be_replaced(self, client: Any) -> None:
        """Another member has this one's name: it goes on, this one owns nothing."""
        log.warning("member_replaced", group=self._group, member=self._member)
        self._give_up(client)
        self._replaced_at = time.monotonic()

    def _may_return(self) -> bool:
        """Whether the one that took this one's name is gone; asked once in a session's time."""
        if self._replaced_at is None or time.monotonic() - self._replaced_at < self._session_seconds:
            return False
        if self._metadata.has_member(self._group, self._member):
            self._replaced_at = time.monotonic()
            return False
        self._replaced_at = None
        return True

    # Waiting

    def wake(self) -> None:
        """Ends a poll under way, or else the next one, after one look."""
        self._pokes.put(True)

    def _woken(self, remaining: float) -> bool:
        """Rests until something may have come; whether the poll is to end."""
        if remaining > 0 and (self._replaced_at is not None or self._watch()):
            with contextlib.suppress(queue.Empty):
                if self._pokes.get(timeout=min(_MEMBER_REST_SECONDS, remaining)):
                    self._drain()
                    return True
        return self._drain() or remaining <= 0

    def _drain(self) -> bool:
        woken = False
        with contextlib.suppress(queue.Empty):
            while True:
                woken |= self._pokes.get_nowait()
        return woken

    def _watch(self) -> bool:
        """Lets each answer under way end the rest; whether there is to be one: not while joining.

        The client's own wait cannot be ended from outside, so it is never used; the answers it would
        wait for are the ones that it keeps here.
        """
        client = self._client.get()
        self._watched = [answer for answer in self._watched if not answer.is_done]
        for answer in list(client._fetcher._fetch_futures):
            if answer not in self._watched:
                self._watched.append(answer)
                answer.add_both(self._poke)
        return _is_stable(client)

    def _poke(self, _: object) -> None:
        self._pokes.put(False)

    # State

    def assignment(self) -> frozenset[TopicPartition]:
        """Returns the partitions owned as of the last poll."""
        return self._owned

    def generation(self) -> int:
        """Returns the number of the assignment."""
        return self._generation

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stops delivery from partitions."""
        self._paused |= partitions
        self._on_owned(partitions, "pause")

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Goes on with delivery."""
        self._paused -= partitions
        self._on_owned(partitions, "resume")

    def _on_owned(self, partitions: frozenset[TopicPartition], method: str) -> None:
        places = [_place(source) for source in partitions & self._owned]
        if places:
            with translated(method):
                getattr(self._client.get(), method)(*places)

    # Offsets

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Stores offsets of owned partitions; while the group is being made anew, once it is."""
        self._owed.update({source: offset for source, offset in offsets.items() if source in self._owned})
        if self._owed:
            self._pay(self._client.get())

    def _pay(self, client: Any) -> None:
        """Commits what is owed, unless the group is not ready for it: then the next look tries again."""
        with translated(f"committing for {self._group}"):
            if not _is_stable(client):
                return
            with contextlib.suppress(*_NOT_A_MEMBER):
                client.commit(
                    {
                        _place(source): OffsetAndMetadata(offset, "", -1)
                        for source, offset in self._owed.items()
                    }
                )
                self._lag.committed(self._owed)
                self._owed = {}

    def lag(self) -> Mapping[TopicPartition, int]:
        """Returns the messages after the committed offset of each owned partition."""
        return self._lag.of(self._owned)

    def close(self) -> None:
        """Leaves the group at once, or by the end of the session if the broker is away."""
        client = self._client.peek()
        if client is None:
            return
        mine = client.group_metadata()
        self._client.discard(client)
        if mine.member_id:
            with contextlib.suppress(PairmillError):
                self._metadata.remove_member(self._group, member_id=mine.member_id, instance=self._member)


def _place(source: TopicPartition) -> Any:
    return Place(source.topic, source.partition)


def _is_stable(client: Any) -> bool:
    """Whether the client has an assignment, and no new one is being made as far as it knows."""
    return bool(client.group_metadata().state is MemberState.STABLE)


def _is_heard(client: Any) -> bool:
    """Whether the client still sends signs of life: it stops when another member has its name."""
    return bool(client._coordinator._heartbeat_enabled)
