"""The file behind the embedded bus: its tables, its connections, its errors as ours."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pairmill.errors import ConfigurationError, NoSpaceError, RetriableError

BUSY_SECONDS: Final = 60.0

TABLES: Final = """
CREATE TABLE IF NOT EXISTS topics (
    name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, epoch TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ends (
    topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    topic TEXT, partition INTEGER, "offset" INTEGER, key BLOB, value BLOB, headers TEXT,
    appended_at REAL NOT NULL, PRIMARY KEY (topic, partition, "offset")
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS offsets (
    name TEXT, topic TEXT, partition INTEGER, next_offset INTEGER NOT NULL,
    PRIMARY KEY (name, topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS groups (name TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    name TEXT, member TEXT, incarnation TEXT NOT NULL, topics TEXT NOT NULL, seen_at REAL NOT NULL,
    PRIMARY KEY (name, member)
) WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Returns a connection in autocommit mode; several threads may use it in turn."""
    with translated():
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 1000")
        return connection


def create_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables of a new file."""
    with transaction(connection):
        for statement in TABLES.split(";"):
            if statement.strip():
                connection.execute(statement)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Takes the write lock, and commits durably at the end or rolls back."""
    with translated():
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


@contextmanager
def translated() -> Iterator[None]:
    """Turns SQLite's errors into ours, most specific first."""
    try:
        yield
    except sqlite3.OperationalError as error:
        primary = _primary_code(error)
        if primary == sqlite3.SQLITE_FULL:
            raise NoSpaceError(f"the disk of the queue is full: {error}") from error
        if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise ConfigurationError(
                f"--state-dir: the queue cannot be written ({error}); choose a writable folder"
            ) from error
        raise RetriableError(f"the queue cannot be used now: {error}") from error
    except sqlite3.DatabaseError as error:
        if _primary_code(error) not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        raise ConfigurationError(
            f"--state-dir: the queue's file is damaged ({error}); remove the state folder to start anew"
        ) from error


def _primary_code(error: sqlite3.Error) -> int:
    """Returns SQLite's result code without its details; 0 where Python's own layer raised."""
    code = getattr(error, "sqlite_errorcode", 0)
    return int(code) & 0xFF
