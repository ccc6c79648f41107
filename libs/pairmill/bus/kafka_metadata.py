"""Small questions to the broker: topics, ends of partitions, a group's offsets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from kafka import TopicPartition as Place  # type: ignore[import-untyped]  # the client has no types
from kafka import errors
from kafka.admin import MemberToRemove, OffsetSpec  # type: ignore[import-untyped]  # as above

from pairmill.bus.kafka_clients import KafkaClients, close_admin
from pairmill.bus.kafka_errors import translate, translated
from pairmill.bus.kafka_lazy import Lazy
from pairmill.bus.port import TopicPartition
from pairmill.errors import ConfigurationError, PairmillError, RetriableError

T = TypeVar("T")

_COORDINATOR_SECONDS: Final = 10.0  # a new cluster makes its topic of offsets at the first question
_COORDINATOR_REST_SECONDS: Final = 0.1
_COORDINATOR_MOVES: Final = (
    errors.CoordinatorNotAvailableError,
    errors.CoordinatorLoadInProgressError,
    errors.NotCoordinatorError,
)


def raise_if_moved(error: str) -> None:
    """Raises what an answer only names: that another broker keeps the group."""
    for kind in _COORDINATOR_MOVES:
        if kind.__name__ in error:
            raise kind(error)


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What a topic is now."""

    partitions: int
    epoch: str  # its id, which another topic of the same name does not have


class Metadata:
    """Asks the broker, by one client that is made anew after a failure. Thread-safe."""

    def __init__(self, clients: KafkaClients, *, age_seconds: float) -> None:
        self._client = Lazy(clients.admin, close_admin)
        self._age_seconds = age_seconds
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, TopicFacts]] = {}

    @contextmanager
    def _asking(self, doing: str) -> Iterator[Any]:
        """Gives the client, and gives it up if it failed: it keeps what it knew of a former leader."""
        client = self._client.get()
        try:
            with translated(doing):
                yield client
        except PairmillError:
            self._client.discard(client)
            raise

    def _answer(self, doing: str, question: Callable[[Any], T]) -> T:
        """Asks, and once more where the broker that was asked is gone: a new client begins with another."""
        try:
            with self._asking(doing) as client:
                return question(client)
        except RetriableError as error:
            if not isinstance(error.__cause__, errors.KafkaConnectionError):
                raise
        with self._asking(doing) as client:
            return question(client)

    def of_group(self, doing: str, question: Callable[[Any], T]) -> T:
        """Asks the broker that keeps a group, and once more where that has moved."""
        deadline = time.monotonic() + _COORDINATOR_SECONDS
        while True:
            try:
                return self._answer(doing, question)
            except RetriableError as error:
                if not isinstance(error.__cause__, _COORDINATOR_MOVES) or time.monotonic() > deadline:
                    raise
                time.sleep(_COORDINATOR_REST_SECONDS)

    def ask(self, topics: Iterable[str]) -> dict[str, TopicFacts]:
        """Returns the topics that there are, of those asked for, as the broker knows them now."""
        names = sorted(topics)
        answers = self._answer(
            f"asking for topics {', '.join(names)}", lambda client: client.describe_topics(names)
        )
        now = time.monotonic()
        found = {}
        for answer in answers:
            kind = errors.for_code(answer["error_code"])
            if kind is errors.NoError:
                found[answer["name"]] = TopicFacts(len(answer["partitions"]), str(answer["topic_id"]))
            elif kind is not errors.UnknownTopicOrPartitionError:
                raise translate(kind(answer["name"]), "asking for a topic")
        with self._lock:
            self._known.update({name: (now, facts) for name, facts in found.items()})
        return found

    def topic(self, name: str, *, expected: bool = False) -> TopicFacts:
        """Returns a topic, as it was lately.

        Where it is not there: raises RetriableError if it was before or is `expected` to come, else
        ConfigurationError.
        """
        with self._lock:
            at, facts = self._known.get(name, (0.0, None))
        if facts is not None and time.monotonic() - at < self._age_seconds:
            return facts
        found = self.ask([name]).get(name)
        if found is not None:
            return found
        if facts is not None or expected:
            raise RetriableError(f"the topic {name!r} is not there; apply the topics: pairmill topics apply")
        raise ConfigurationError(
            f"the bus has no topic {name!r}; create the topics first: pairmill topics apply"
        )

    def epoch(self, name: str) -> str:
        """Returns the topic's id, or nothing if there is no such topic."""
        facts = self.ask([name]).get(name)
        return facts.epoch if facts is not None else ""

    def ends(self, sources: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Returns the offset that the next message of each partition will have."""
        return self._offsets(sources, OffsetSpec.LATEST)

    def starts(self, sources: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Returns the offset of the oldest message of each partition."""
        return self._offsets(sources, OffsetSpec.EARLIEST)

    def _offsets(self, sources: Iterable[TopicPartition], spec: Any) -> dict[TopicPartition, int]:
        places = {Place(source.topic, source.partition): spec for source in sources}
        if not places:
            return {}
        answers = self._answer(
            "asking where partitions end", lambda client: client.list_partition_offsets(places)
        )
        return {TopicPartition(place.topic, place.partition): at.offset for place, at in answers.items()}

    def trim(self, source: TopicPartition, before: int) -> None:
        """Deletes messages with smaller offsets."""
        with self._asking(f"trimming {source.topic}") as client:
            client.delete_records({Place(source.topic, source.partition): before})

    def committed(
        self, group: str, sources: Iterable[TopicPartition] | None = None
    ) -> Mapping[TopicPartition, int]:
        """Returns the group's committed offsets, of these partitions or of all; without those it has not."""
        places = None if sources is None else [Place(source.topic, source.partition) for source in sources]
        answers = self.of_group(
            f"asking for the offsets of {group}", lambda client: client.list_group_offsets({group: places})
        )
        return {
            TopicPartition(place.topic, place.partition): found.offset
            for place, found in answers.get(group, {}).items()
            if found.offset >= 0
        }

    def remove_member(self, group: str, *, member_id: str, instance: str) -> None:
        """Lets a static member leave its group now; does nothing if another has taken its name."""
        leaving = MemberToRemove(member_id=member_id, group_instance_id=instance, reason="closed")
        self.of_group(f"leaving {group}", lambda client: client.remove_group_members(group, [leaving]))

    def has_member(self, group: str, instance: str) -> bool:
        """Whether the group has a static member of this name."""
        return any(member["group_instance_id"] == instance for member in self.members(group))

    def members(self, group: str) -> list[dict[str, Any]]:
        """Returns the members of a group as the client describes them, none of an unknown group."""

        def describe(client: Any) -> list[dict[str, Any]]:
            answer = client.describe_groups([group])[group]
            raise_if_moved(answer["error"] or "")
            return list(answer["members"])

        return self.of_group(f"asking for the members of {group}", describe)

    def ping(self) -> None:
        """Raises RetriableError if the broker cannot be used now."""
        self._answer("asking whether the broker is there", lambda client: client.describe_cluster())

    def close(self) -> None:
        """Closes the client."""
        self._client.discard()
