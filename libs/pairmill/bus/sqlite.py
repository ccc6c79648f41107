"""The embedded bus: one SQLite file shared by several processes of one machine (U20).

A publish is durable when it returns. Reads are closed at once, so that the write-ahead log can be
folded back. Membership in a group is a lease by the machine's boot clock; nothing but politeness and
economy depends on it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pairmill.bus.local_disk import refuse_network_disk
from pairmill.bus.port import Message, Outgoing, TopicPartition
from pairmill.bus.sqlite_consumer import SqliteConsumer, boot_seconds
from pairmill.bus.sqlite_file import connect, create_tables, transaction, translated
from pairmill.bus.sqlite_rows import READ, encode_headers, message_of
from pairmill.closing import Closing
from pairmill.errors import ConfigurationError


class SqliteBus(Closing):
    """A broker in a file. Thread-safe but for its consumers; create it after fork."""

    def __init__(self, path: Path, *, session_seconds: float = 10.0) -> None:
        refuse_network_disk(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._session_seconds = session_seconds
        self._lock = threading.RLock()
        self._connection = connect(path)
        create_tables(self._connection)

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Appends all messages in one durable transaction."""
        if not messages:
            return
        now = time.time()
        with self._lock, transaction(self._connection):
            for message in messages:
                self._append(message, now)

    def _append(self, message: Outgoing, now: float) -> None:
        row = self._connection.execute(
            "UPDATE ends SET next_offset = next_offset + 1 WHERE topic = ? AND partition = ? "
            "RETURNING next_offset - 1",
            (message.topic, message.partition),
        ).fetchone()
        if row is None:
            raise ConfigurationError(f"the bus has no partition {message.topic}/{message.partition}")
        self._connection.execute(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                message.topic,
                message.partition,
                row[0],
                message.key,
                message.value,
                encode_headers(message.headers),
                now,
            ),
        )

    def consumer(self, *, group: str, topics: Sequence[str], member: str) -> SqliteConsumer:
        """Joins a group with a connection of its own."""
        for topic in topics:
            self.partitions(topic)
        return SqliteConsumer(
            connect(self._path),
            group=group,
            topics=tuple(topics),
            member=member,
            session_seconds=self._session_seconds,
        )

    def partitions(self, topic: str) -> int:
        """Returns the number of partitions of a topic."""
        rows = self._query("SELECT partitions FROM topics WHERE name = ?", (topic,))
        if not rows:
            raise ConfigurationError(f"the bus has no topic {topic!r}; create the topics first")
        return int(rows[0][0])

    def read(self, source: TopicPartition, *, start: int, max_records: int) -> Sequence[Message]:
        """Returns messages from an offset on, without any group."""
        rows = self._query(READ, (source.topic, source.partition, start, max_records))
        return [message_of(row) for row in rows]

    def watch(self, places: Mapping[TopicPartition, int], tell: Callable[[], None]) -> bool:
        """Tells nobody: to look costs next to nothing."""
        return False

    def start_offset(self, source: TopicPartition) -> int:
        """Returns the offset of the oldest message, or of the next one."""
        rows = self._query(
            'SELECT MIN("offset") FROM messages WHERE topic = ? AND partition = ?',
            (source.topic, source.partition),
        )
        return self.end_offset(source) if rows[0][0] is None else int(rows[0][0])

    def end_offset(self, source: TopicPartition) -> int:
        """Returns the offset that the next message will have."""
        rows = self._query(
            "SELECT next_offset FROM ends WHERE topic = ? AND partition = ?",
            (source.topic, source.partition),
        )
        return int(rows[0][0]) if rows else 0

    def committed(self, group: str, source: TopicPartition) -> int | None:
        """Returns the group's committed offset, or None."""
        rows = self._query(
            "SELECT next_offset FROM offsets WHERE name = ? AND topic = ? AND partition = ?",
            (group, source.topic, source.partition),
        )
        return int(rows[0][0]) if rows else None

    def has_members(self, group: str) -> bool:
        """Returns whether a group has a member whose lease has not run out."""
        now, lease = boot_seconds(), self._session_seconds
        return bool(
            self._query(
                "SELECT 1 FROM members WHERE name = ? AND seen_at BETWEEN ? AND ? LIMIT 1",
                (group, now - lease, now + lease),
            )
        )

    def topic_epoch(self, topic: str) -> str:
        """Returns a name drawn when the topic was made."""
        rows = self._query("SELECT epoch FROM topics WHERE name = ?", (topic,))
        return str(rows[0][0]) if rows else ""

    def now(self) -> datetime:
        """Returns the machine's time."""
        return datetime.now(UTC)

    def ping(self) -> None:
        """Raises RetriableError if the file cannot be read now."""
        self._query("SELECT COUNT(*) FROM topics", ())

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self._connection.close()

    # What operators and tests do

    def create_topic(self, topic: str, partitions: int) -> None:
        """Creates a topic; an existing one keeps its partitions."""
        with self._lock, transaction(self._connection):
            created = self._connection.execute(
                "INSERT OR IGNORE INTO topics VALUES (?, ?, ?)", (topic, partitions, secrets.token_hex(8))
            )
            if created.rowcount:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO ends VALUES (?, ?, 0)",
                    [(topic, partition) for partition in range(partitions)],
                )
                self._reassign_all()

    def delete_topic(self, topic: str) -> None:
        """Deletes a topic with its messages and its groups' offsets."""
        with self._lock, transaction(self._connection):
            for table in ("ends", "messages", "offsets"):
                self._connection.execute(f"DELETE FROM {table} WHERE topic = ?", (topic,))
            self._connection.execute("DELETE FROM topics WHERE name = ?", (topic,))
            self._reassign_all()

    def delete_group(self, group: str) -> None:
        """Forgets a group's offsets and members."""
        with self._lock, transaction(self._connection):
            self._connection.execute("DELETE FROM offsets WHERE name = ?", (group,))
            self._connection.execute("DELETE FROM members WHERE name = ?", (group,))
            self._connection.execute("UPDATE groups SET generation = generation + 1 WHERE name = ?", (group,))

    def reset_offsets(self, group: str, topic: str, *, to_end: bool) -> None:
        """Sets a group's offsets of a topic; its members start from there."""
        with self._lock, transaction(self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO offsets SELECT ?, topic, partition, CASE WHEN ? THEN next_offset "
                "ELSE 0 END FROM ends WHERE topic = ?",
                (group, to_end, topic),
            )
            self._connection.execute("UPDATE groups SET generation = generation + 1 WHERE name = ?", (group,))

    def trim(self, source: TopicPartition, before: int) -> None:
        """Deletes messages with smaller offsets."""
        with self._lock, transaction(self._connection):
            self._connection.execute(
                'DELETE FROM messages WHERE topic = ? AND partition = ? AND "offset" < ?',
                (source.topic, source.partition, before),
            )

    def _reassign_all(self) -> None:
        """Makes every member ask for its partitions and positions again: offsets start anew."""
        self._connection.execute("UPDATE groups SET generation = generation + 1")

    def _query(self, statement: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._lock, translated():
            return self._connection.execute(statement, values).fetchall()
