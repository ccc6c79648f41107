"""A member of a consumer group on Kafka (U10).

The client joins with the first poll. Its input and output run on a thread of its own; all that this
class keeps belongs to the thread that polls, but for the queue that wakes it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final

import structlog
from kafka import OffsetAndMetadata, errors  # type: ignore[import-untyped]  # the client has no types
from kafka import TopicPartition as Place

from pairmill.bus.kafka_assignment import Assigned, Lost, Notes
from pairmill.bus.kafka_clients import KafkaClients, close_consumer
from pairmill.bus.kafka_clock import BrokerClock
from pairmill.bus.kafka_errors import translated
from pairmill.bus.kafka_inside import (
    insist_on_joining,
    is_about_to_join,
    is_heard,
    is_stable,
    is_undisturbed,
    let_fetches_wait,
    put_away_empty_batch,
)
from pairmill.bus.kafka_lag import LagMeter
from pairmill.bus.kafka_lazy import Lazy
from pairmill.bus.kafka_metadata import Metadata
from pairmill.bus.kafka_records import message_of
from pairmill.bus.kafka_remade import RemadeTopics
from pairmill.bus.kafka_rest import Rest
from pairmill.bus.port import Message, TopicPartition
from pairmill.closing import Closing
from pairmill.errors import PairmillError, RetriableError

log = structlog.get_logger(__name__)

_LEAST_JOIN_SECONDS: Final = 0.25  # that a look may take while the group is being made
_FETCH_SECONDS: Final = 0.25  # that a broker may hold back an answer without messages, soon after some came
_LONG_FETCH_SECONDS: Final = 1.0  # later
_BUSY_SECONDS: Final = 5.0  # after messages came
_LEAVE_SECONDS: Final = 3.0  # a broker that does not answer may not keep a process from its end
_NOT_A_MEMBER: Final = (
    errors.CommitFailedError,
    errors.RebalanceInProgressError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
    errors.FencedInstanceIdError,
)


class KafkaMember(Closing):
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
        self._rest = Rest()
        self._remade = RemadeTopics(metadata, topics)
        self._lag = LagMeter(metadata, group)
        self._generation = -1
        self._owned: frozenset[TopicPartition] = frozenset()
        self._returning: frozenset[TopicPartition] = frozenset()  # of topics made anew, for one look
        self._paused: frozenset[TopicPartition] = frozenset()
        self._owed: dict[TopicPartition, int] = {}  # to commit as soon as the group takes it
        self._replaced_at: float | None = None
        self._busy_until = 0.0

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
            self._follow(client)
        except PairmillError:
            self._give_up(client)  # for what it had fetched would be lost with this call
            raise
        messages = [
            message_of(record)
            for place, records in batches.items()
            if TopicPartition(place.topic, place.partition) in self._owned
            for record in records
        ]
        if messages:
            self._busy_until = time.monotonic() + _BUSY_SECONDS
            self._clock.stamped_before(max(each.appended_at for each in messages).timestamp())
        return messages

    def _poll_client(self, client: Any, max_records: int) -> Mapping[Any, Sequence[Any]]:
        """One look, which waits for nothing but the group while that is being made."""
        batches: Mapping[Any, Sequence[Any]] = {}
        until = time.monotonic() + _LEAST_JOIN_SECONDS
        put_away_empty_batch(client)
        let_fetches_wait(client, self._fetch_seconds())
        try:
            wait = _LEAST_JOIN_SECONDS if is_about_to_join(client) else 0.0
            batches = client.poll(timeout_ms=wait * 1000, max_records=max_records)
            while not batches and not is_stable(client):
                insist_on_joining(client)
                if time.monotonic() > until:
                    return batches
                batches = client.poll(timeout_ms=_LEAST_JOIN_SECONDS * 1000, max_records=max_records)
        except errors.FencedInstanceIdError:
            self._be_replaced(client)
            return {}
        if is_stable(client) and not is_heard(client):
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
                with contextlib.suppress(RetriableError):
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
        self._rest.wake()

    def _woken(self, remaining: float) -> bool:
        """Rests until something may have come; whether the poll is to end."""
        if self._replaced_at is not None:
            return self._rest.wait(remaining) or remaining <= 0
        client = self._client.get()
        if not is_stable(client):  # a look takes its time then
            return self._rest.was_woken() or remaining <= 0
        self._rest.watch(client)
        return self._rest.wait(remaining, partial(is_undisturbed, client)) or remaining <= 0

    def _fetch_seconds(self) -> float:
        """Returns how long fetches may be held back.

        A partition that is resumed waits for the end of the fetch under way, which is without it. So they are
        short while tasks come in quick succession, and a partition may be read to its end between two looks.
        """
        return _FETCH_SECONDS if time.monotonic() < self._busy_until else _LONG_FETCH_SECONDS

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
            if not is_stable(client):
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
                self._leave(mine.member_id)

    def _leave(self, member_id: str) -> None:
        """Says by name that the member leaves: a static member's client never does."""
        with closing(Metadata(self._clients.hasty(_LEAVE_SECONDS), age_seconds=0.0)) as metadata:
            metadata.remove_member(self._group, member_id=member_id, instance=self._member)


def _place(source: TopicPartition) -> Any:
    return Place(source.topic, source.partition)
