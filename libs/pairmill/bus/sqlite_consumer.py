"""A member of a consumer group on the embedded bus."""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from pairmill.bus.assignment import assign_ranges
from pairmill.bus.port import Message, TopicPartition
from pairmill.bus.sqlite_file import transaction, translated
from pairmill.bus.sqlite_rows import READ, message_of
from pairmill.errors import PairmillError

_WAKE_SECONDS: Final = 0.03


class SqliteConsumer:
    """Polls by looking whether the file changed; a lease on partitions by heartbeats (U20).

    A member that comes back under its name takes its old place and gets its old partitions; the one
    that it replaces, should it still live, owns nothing from then on. Used by one thread.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        group: str,
        topics: tuple[str, ...],
        member: str,
        session_seconds: float,
    ) -> None:
        self._connection = connection
        self._group = group
        self._topics = topics
        self._member = member
        self._session_seconds = session_seconds
        self._incarnation = f"{int(_boot_seconds() * 1e6):020d}-{secrets.token_hex(4)}"  # later is greater
        self._generation = -1
        self._owned: frozenset[TopicPartition] = frozenset()
        self._paused: frozenset[TopicPartition] = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        self._beat_at = 0.0
        self._seen_version = -1
        self._changed = True
        self._exhausted = False
        self._replaced = False

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

    def poll(self, *, max_records: int, timeout_seconds: float) -> Sequence[Message]:
        """Returns new messages, waiting for them at most so long."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            self._notice_changes()
            self._keep_membership()
            if self._changed or not self._exhausted:
                messages = self._fetch(max_records)
                self._changed = False  # only now: news is not to be forgotten if something above fails
                if messages:
                    return messages
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return []
            time.sleep(min(_WAKE_SECONDS, remaining))

    def assignment(self) -> frozenset[TopicPartition]:
        """Returns the partitions owned as of the last poll."""
        return self._owned

    def generation(self) -> int:
        """Returns the number of the assignment."""
        return self._generation

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Stores offsets of owned partitions."""
        owned = [
            (self._group, source.topic, source.partition, offset)
            for source, offset in offsets.items()
            if source in self._owned
        ]
        if not owned:
            return
        with transaction(self._connection):
            if self._stored_generation() == self._generation:
                self._connection.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?, ?)", owned)

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stops delivery from partitions."""
        self._paused |= partitions

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Goes on with delivery."""
        if self._paused & partitions:
            self._exhausted = False
        self._paused -= partitions

    def lag(self) -> Mapping[TopicPartition, int]:
        """Returns the messages after the committed offset of each owned partition."""
        with translated():
            rows = self._connection.execute(
                "SELECT e.topic, e.partition, e.next_offset - COALESCE(o.next_offset, 0) FROM ends e "
                "LEFT JOIN offsets o ON o.name = ? AND o.topic = e.topic AND o.partition = e.partition",
                (self._group,),
            ).fetchall()
        found = {TopicPartition(topic, partition): lag for topic, partition, lag in rows}
        return {source: max(0, found.get(source, 0)) for source in self._owned}

    def close(self) -> None:
        """Leaves the group at once, or by the end of the lease if the file is away."""
        try:
            with contextlib.suppress(PairmillError), transaction(self._connection):
                left = self._connection.execute(
                    "DELETE FROM members WHERE name = ? AND member = ? AND incarnation = ?",
                    (self._group, self._member, self._incarnation),
                )
                if left.rowcount:
                    self._bump()
        finally:
            self._connection.close()

    # Membership

    def _keep_membership(self) -> None:
        now = _boot_seconds()
        beats = now - self._beat_at >= self._session_seconds / 4
        if beats:
            with transaction(self._connection):
                self._heartbeat(now)
            self._beat_at = now
        if (beats or self._changed) and self._stored_generation() != self._generation:
            self._rejoin()

    def _heartbeat(self, now: float) -> None:
        expired = self._connection.execute(
            "DELETE FROM members WHERE name = ? AND member != ? AND (seen_at < ? OR seen_at > ?)",
            (self._group, self._member, now - self._session_seconds, now + self._session_seconds),
        ).rowcount
        row = self._connection.execute(
            "SELECT incarnation, topics, seen_at FROM members WHERE name = ? AND member = ?",
            (self._group, self._member),
        ).fetchone()
        mine = (self._incarnation, json.dumps(self._topics))
        alive = row is not None and abs(now - row[2]) <= self._session_seconds
        self._replaced = alive and row[0] > self._incarnation
        if not self._replaced:
            self._connection.execute(
                "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?)",
                (self._group, self._member, *mine, now),
            )
        if expired or (not self._replaced and (row is None or row[:2] != mine)):
            self._bump()

    def _bump(self) -> None:
        self._connection.execute(
            "INSERT INTO groups VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET generation = generation + 1",
            (self._group,),
        )

    def _rejoin(self) -> None:
        """Takes the assignment of the current generation; all positions start at the committed offsets."""
        with transaction(self._connection):
            self._heartbeat(_boot_seconds())
            self._generation = self._stored_generation()
            members = {
                member: json.loads(topics)
                for member, topics in self._connection.execute(
                    "SELECT member, topics FROM members WHERE name = ?", (self._group,)
                )
            }
            partitions = dict(self._connection.execute("SELECT name, partitions FROM topics").fetchall())
            committed = self._connection.execute(
                "SELECT topic, partition, next_offset FROM offsets WHERE name = ?", (self._group,)
            ).fetchall()
        wanted = {topic: partitions.get(topic, 0) for topics in members.values() for topic in topics}
        owned = assign_ranges(members, wanted)[self._member]
        self._owned = frozenset() if self._replaced else owned
        self._paused &= self._owned
        self._positions = {TopicPartition(topic, part): offset for topic, part, offset in committed}
        self._exhausted = False

    def _stored_generation(self) -> int:
        with translated():
            row = self._connection.execute(
                "SELECT generation FROM groups WHERE name = ?", (self._group,)
            ).fetchone()
        return int(row[0]) if row else -2

    # Delivery

    def _notice_changes(self) -> None:
        """Notes whether another connection changed the file: the one cheap question of an idle member."""
        with translated():
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        self._changed |= version != self._seen_version
        self._seen_version = version

    def _fetch(self, max_records: int) -> list[Message]:
        messages: list[Message] = []
        positions = dict(self._positions)
        for source in sorted(self._owned - self._paused):
            start, room = positions.get(source, 0), max_records - len(messages)
            if room <= 0:
                break
            with translated():
                rows = self._connection.execute(
                    READ, (source.topic, source.partition, start, room)
                ).fetchall()
            messages.extend(message_of(row) for row in rows)
            if rows:
                positions[source] = rows[-1][2] + 1
        self._positions = positions  # only now: a failure on the way must not skip what was read before it
        self._exhausted = not messages
        return messages


def _boot_seconds() -> float:
    """The clock that all processes of the machine share and that goes on while it sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
