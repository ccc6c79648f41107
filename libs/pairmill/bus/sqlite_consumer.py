"""A member of a consumer group on the embedded bus."""

from __future__ import annotations

import contextlib
import json
import queue
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Final

from pairmill.bus.assignment import assign_ranges
from pairmill.bus.port import Message, TopicPartition
from pairmill.bus.sqlite_file import transaction, translated
from pairmill.bus.sqlite_rows import READ, message_of
from pairmill.closing import Closing
from pairmill.errors import PairmillError

_FIRST_REST_SECONDS: Final = 0.02  # between two looks at the file right after a message came
_LONGEST_REST_SECONDS: Final = 0.2  # after none has come for a while
_REST_GROWTH: Final = 1.4

_Place = tuple[str, int]  # topic and partition, as the file has them

_NO_GENERATION: Final = -2
_GROUP_ROW: Final[_Place] = ("", 0)
_NEWS: Final = (
    "SELECT '', 0, generation FROM groups WHERE name = ? "
    "UNION ALL SELECT topic, partition, next_offset FROM ends WHERE topic IN ({topics})"
)


class SqliteConsumer(Closing):
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
        self._news = _NEWS.format(topics=", ".join("?" * len(topics)))
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()  # the one that a signal handler may use
        self._rest_seconds = _FIRST_REST_SECONDS
        self._incarnation = f"{int(boot_seconds() * 1e6):020d}-{secrets.token_hex(4)}"  # later is greater
        self._generation = -1
        self._owned: frozenset[TopicPartition] = frozenset()
        self._paused: frozenset[TopicPartition] = frozenset()
        self._ready: list[_Place] = []  # owned and not paused, in order
        self._positions: dict[_Place, int] = {}
        self._ends: dict[_Place, int] = {}
        self._beat_at = 0.0
        self._seen_version = -1
        self._changed = True
        self._exhausted = False
        self._replaced = False

    def poll(self, *, max_records: int, timeout_seconds: float) -> Sequence[Message]:
        """Returns new messages, or none when so much time has passed or the assignment is another one."""
        deadline, generation = time.monotonic() + timeout_seconds, self._generation
        while True:
            self._notice_changes()
            self._keep_membership()
            if self._changed or not self._exhausted:
                messages = self._fetch(max_records)
                self._changed = False  # only now: news is not to be forgotten if something above fails
                if messages:
                    self._rest_seconds = _FIRST_REST_SECONDS
                    return messages
            if self._generation != generation or self._woken(deadline - time.monotonic()):
                return []

    def wake(self) -> None:
        """Ends a poll under way, or else the next one, after one look."""
        self._wakes.put(None)

    def _woken(self, remaining: float) -> bool:
        """Rests before the next look, for longer the longer nothing comes; whether the poll is to end."""
        try:
            if remaining > 0:
                self._wakes.get(timeout=min(self._rest_seconds, remaining))
            else:
                self._wakes.get_nowait()
        except queue.Empty:
            self._rest_seconds = min(self._rest_seconds * _REST_GROWTH, _LONGEST_REST_SECONDS)
            return remaining <= 0
        while not self._wakes.empty():
            self._wakes.get_nowait()
        return True

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
        self._note_ready()

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Goes on with delivery."""
        if self._paused & partitions:
            self._exhausted = False
        self._paused -= partitions
        self._note_ready()

    def lag(self) -> Mapping[TopicPartition, int]:
        """Returns the messages after the committed offset of each owned partition."""
        with translated():
            ends = self._connection.execute(self._news, (self._group, *self._topics)).fetchall()
            committed = self._connection.execute(
                "SELECT topic, partition, next_offset FROM offsets WHERE name = ?", (self._group,)
            ).fetchall()
        taken = {(topic, partition): offset for topic, partition, offset in committed}
        lags = {(topic, partition): end - taken.get((topic, partition), 0) for topic, partition, end in ends}
        return {source: max(0, lags.get((source.topic, source.partition), 0)) for source in self._owned}

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
        now = boot_seconds()
        beats = now - self._beat_at >= self._session_seconds / 4
        if beats:
            with transaction(self._connection):
                self._heartbeat(now)
            self._beat_at = now
        if (beats or self._changed) and self._read_news() != self._generation:
            self._rejoin()

    def _read_news(self) -> int:
        """Notes where the topics end, so where something can be fetched; returns the generation."""
        with translated():
            rows = self._connection.execute(self._news, (self._group, *self._topics)).fetchall()
        self._ends = {(topic, partition): number for topic, partition, number in rows}
        return self._ends.pop(_GROUP_ROW, _NO_GENERATION)

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
            self._heartbeat(boot_seconds())
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
        self._positions = {(topic, partition): offset for topic, partition, offset in committed}
        self._note_ready()
        self._exhausted = False

    def _stored_generation(self) -> int:
        with translated():
            row = self._connection.execute(
                "SELECT generation FROM groups WHERE name = ?", (self._group,)
            ).fetchone()
        return int(row[0]) if row else _NO_GENERATION

    # Delivery

    def _notice_changes(self) -> None:
        """Notes whether another connection changed the file: the one cheap question of an idle member."""
        with translated():
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        self._changed |= version != self._seen_version
        self._seen_version = version

    def _note_ready(self) -> None:
        self._ready = sorted((source.topic, source.partition) for source in self._owned - self._paused)

    def _fetch(self, max_records: int) -> list[Message]:
        messages: list[Message] = []
        positions = dict(self._positions)
        for place in self._ready:
            start, end, room = positions.get(place, 0), self._ends.get(place, 0), max_records - len(messages)
            if room <= 0:
                break
            if start >= end:
                continue
            with translated():
                rows = self._connection.execute(READ, (*place, start, room)).fetchall()
            messages.extend(message_of(row) for row in rows)
            last = rows[-1][2] + 1 if rows else start
            positions[place] = last if len(rows) == room else max(last, end)  # retention leaves gaps
        self._positions = positions  # only now: a failure on the way must not skip what was read before it
        self._exhausted = not messages
        return messages


def boot_seconds() -> float:
    """Returns the clock that all processes of the machine share and that goes on while it sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
