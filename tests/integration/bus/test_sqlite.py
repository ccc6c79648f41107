"""The embedded bus among several processes, some of which are killed (U20)."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
from collections import Counter
from pathlib import Path

import pytest

from pairmill.bus.factory import open_bus
from pairmill.bus.local_disk import file_system_of, refuse_network_disk
from pairmill.bus.port import Message, Outgoing, TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.sqlite_consumer import SqliteConsumer
from pairmill.errors import ConfigurationError, NoSpaceError, RetriableError
from tests.fakes.processes import Child, wait_until

CHILD = "tests.fakes.child"
PARTITIONS = 4
LARGEST_LOG_BYTES = 16 << 20


def everything(bus: SqliteBus) -> list[Message]:
    return [
        message
        for part in range(PARTITIONS)
        for message in bus.read(TopicPartition("work", part), start=0, max_records=1_000_000)
    ]


def lag(bus: SqliteBus) -> int:
    sources = [TopicPartition("work", part) for part in range(PARTITIONS)]
    return sum(bus.end_offset(source) - (bus.committed("group", source) or 0) for source in sources)


def wait_for_news(bus: SqliteBus, children: list[Child], enough: int) -> None:
    """Waits until the children received so many messages together, or all are committed."""
    wait_until(lambda: sum(len(child.lines) for child in children) >= enough or not lag(bus))


def wait_for_all(consumer: SqliteConsumer) -> None:
    """Polls until a member owns all partitions."""

    def owns_all() -> bool:
        consumer.poll(max_records=1, timeout_seconds=0.1)
        return len(consumer.assignment()) == PARTITIONS

    wait_until(owns_all)


def make_bus(path: Path) -> SqliteBus:
    bus = SqliteBus(path, session_seconds=1.0)
    bus.create_topic("work", PARTITIONS)
    return bus


def test_a1_a_killed_producer_leaves_what_was_acknowledged(tmp_path: Path) -> None:
    draw, promised = random.Random(5), list[str]()
    with make_bus(tmp_path / "bus.db") as bus:
        for life in range(5):
            with Child(CHILD, "produce", tmp_path / "bus.db", f"p{life}", "100000", str(PARTITIONS)) as child:
                child.wait_for_lines(draw.randrange(1, 60))
                promised.extend(child.kill())
        stored = Counter(message.value.decode() for message in everything(bus))
        assert stored.keys() >= set(promised)
        assert max(stored.values()) == 1
        assert len(stored) <= len(promised) + 5, "at most the message at hand was not acknowledged"


def test_a1_a_killed_consumer_loses_nothing(tmp_path: Path) -> None:
    draw, received = random.Random(6), set[str]()
    with make_bus(tmp_path / "bus.db") as bus:
        bus.publish(
            [
                Outgoing(topic="work", partition=number % PARTITIONS, key=b"k", value=str(number).encode())
                for number in range(1500)
            ]
        )
        life = 0
        while lag(bus):
            with (
                Child(CHILD, "consume", tmp_path / "bus.db", "a") as first,
                Child(CHILD, "consume", tmp_path / "bus.db", "b") as second,
            ):
                wait_for_news(bus, [first, second], enough=draw.randrange(5, 400))
                received.update(first.kill())
                received.update(second.kill())
            life += 1
            assert life < 60, "each life gets on"
    assert received - {"joined"} == {str(number) for number in range(1500)}


def test_a4_partitions_of_a_killed_member_go_to_the_others(tmp_path: Path) -> None:
    with make_bus(tmp_path / "bus.db") as bus:
        with Child(CHILD, "consume", tmp_path / "bus.db", "dead") as dead:
            dead.wait_for_lines(1)
            dead.kill()
        with bus.consumer(group="group", topics=["work"], member="alive") as alive:
            wait_for_all(alive)


def test_a15_a_member_that_wakes_up_commits_nothing_for_what_it_lost(tmp_path: Path) -> None:
    with make_bus(tmp_path / "bus.db") as bus, Child(CHILD, "consume", tmp_path / "bus.db", "a") as sleeper:
        sleeper.wait_for_lines(1)
        threading.Event().wait(0.1)  # let it reach its poll: asleep with the file's lock it stops everyone
        sleeper.signal(signal.SIGSTOP)
        with bus.consumer(group="group", topics=["work"], member="b") as other:
            wait_for_all(other)
            bus.publish([Outgoing(topic="work", partition=0, key=b"", value=b"0")])
            sleeper.signal(signal.SIGCONT)
            wait_until(
                lambda: bool(other.poll(max_records=1, timeout_seconds=0.1)) or len(other.assignment()) == 2
            )
            assert sleeper.running


def test_many_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    children = [Child(CHILD, "open", tmp_path / "state" / "bus.db") for _ in range(8)]
    assert [child.wait() for child in children] == [0] * 8


def test_u20_many_writers_and_readers_share_the_file_and_its_log_stays_small(tmp_path: Path) -> None:
    """Reads are closed at once, so the write-ahead log is folded back while others read and write."""
    path, largest = tmp_path / "bus.db", 0
    with make_bus(path) as bus:
        producers = [Child(CHILD, "produce", path, f"p{name}", "700", str(PARTITIONS)) for name in range(3)]
        consumers = [Child(CHILD, "consume", path, f"c{name}") for name in range(2)]
        pause = threading.Event()
        while any(child.running for child in producers) or lag(bus):
            largest = max(largest, (tmp_path / "bus.db-wal").stat().st_size)
            pause.wait(0.05)
        assert [child.wait() for child in producers] == [0, 0, 0]
        received = {line for child in consumers for line in child.kill()} - {"joined"}
        assert received == {f"p{name}-{number}" for name in range(3) for number in range(700)}
        for partition in range(PARTITIONS):
            came = bus.read(TopicPartition("work", partition), start=0, max_records=10_000)
            for name in range(3):
                numbers = [int(each.value[3:]) for each in came if each.value.startswith(b"p%d-" % name)]
                assert numbers == sorted(numbers)
    assert 0 < largest < LARGEST_LOG_BYTES


def test_u20_the_log_stays_small_over_large_values(tmp_path: Path) -> None:
    path, largest = tmp_path / "bus.db", 0
    with make_bus(path) as bus, bus.consumer(group="group", topics=["work"], member="a") as consumer:
        for number in range(150):
            bus.publish([Outgoing(topic="work", partition=0, key=b"", value=os.urandom(300_000))])
            came = consumer.poll(max_records=5, timeout_seconds=5)
            consumer.commit({message.source: message.offset + 1 for message in came})
            bus.trim(TopicPartition("work", 0), number)
            largest = max(largest, (tmp_path / "bus.db-wal").stat().st_size)
        assert path.stat().st_size < 32 << 20, "the room of trimmed messages is used again"
    assert largest < LARGEST_LOG_BYTES


def test_a9_a_locked_file_is_waited_for(tmp_path: Path) -> None:
    with make_bus(tmp_path / "bus.db") as bus:
        other = sqlite3.connect(tmp_path / "bus.db", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.5, other.execute, ["COMMIT"])
        timer.start()
        bus.publish([Outgoing(topic="work", partition=0, key=b"", value=b"1")])
        timer.join()
        other.close()
        assert len(everything(bus)) == 1


def test_a_damaged_file_is_named_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "bus.db").write_bytes(b"this is no database at all" * 1000)
    with pytest.raises(ConfigurationError, match="--state-dir"):
        SqliteBus(tmp_path / "bus.db")


def test_a17_a_full_disk_is_waited_for(small_disk: Path) -> None:
    with make_bus(small_disk / "bus.db") as bus:
        with pytest.raises(NoSpaceError):
            bus.publish([Outgoing(topic="work", partition=0, key=b"", value=b"x" * 4_000_000)])
        assert everything(bus) == []
        bus.publish([Outgoing(topic="work", partition=0, key=b"", value=b"x" * 1000)])
        assert len(everything(bus)) == 1


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_u20_a_network_file_system_is_refused_by_the_option(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path}/net\\040work {kind} rw 0 0\n")
    folder = tmp_path / "net work" / "state"
    assert file_system_of(folder, mounts) == kind
    with pytest.raises(ConfigurationError, match="--state-dir"):
        refuse_network_disk(folder, mounts)
    refuse_network_disk(tmp_path / "local", mounts)
    refuse_network_disk(folder, tmp_path / "no-such-table")


def test_an_address_names_the_bus(tmp_path: Path) -> None:
    with open_bus(f"sqlite://{tmp_path}/bus.db") as bus:
        bus.ping()
    with pytest.raises(ConfigurationError, match="bus_url"):
        open_bus("kafka:9092")


def test_a_member_leaves_quietly_while_the_file_is_away(tmp_path: Path) -> None:
    """A stage that gives up because of its bus must be able to end."""
    with make_bus(tmp_path / "bus.db") as bus:
        consumer = bus.consumer(group="group", topics=["work"], member="a")
        consumer.poll(max_records=1, timeout_seconds=0)
        other = sqlite3.connect(tmp_path / "bus.db", isolation_level=None)
        other.execute("DROP TABLE members")
        other.close()
        with pytest.raises(RetriableError):
            bus.delete_group("group")
        consumer.close()
