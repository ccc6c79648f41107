"""Child processes that use bus and store until they are killed.

`python -m tests.fakes.child VERB ADDRESS ARGUMENT…`. Each line on standard output is a fact that holds
from then on: what was acknowledged, received, committed or stored.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pairmill.bus.port import Outgoing, TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.store.directory import DirectoryStore


def say(text: str) -> None:
    """Writes a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def open_only(path: str) -> None:
    """Opens a bus and says so."""
    with SqliteBus(Path(path)) as bus:
        bus.ping()
        say("open")


def produce(path: str, name: str, count: str, partitions: str) -> None:
    """Publishes `NAME-0`, `NAME-1` … and says which were acknowledged."""
    with SqliteBus(Path(path)) as bus:
        for number in range(int(count)):
            value = f"{name}-{number}"
            partition = number % int(partitions)
            bus.publish([Outgoing(topic="work", partition=partition, key=b"k", value=value.encode())])
            say(value)


def consume(path: str, member: str) -> None:
    """Receives, says what, and commits after it was said; for ever."""
    with (
        SqliteBus(Path(path), session_seconds=1.0) as bus,
        bus.consumer(group="group", topics=["work"], member=member) as consumer,
    ):
        messages = consumer.poll(max_records=7, timeout_seconds=0.0)
        say("joined")
        while True:
            for message in messages:
                say(message.value.decode())
            ends = {TopicPartition(each.topic, each.partition): each.offset + 1 for each in messages}
            consumer.commit(ends)
            messages = consumer.poll(max_records=7, timeout_seconds=0.2)


def store_objects(root: str, name: str, size: str, how: str) -> None:
    """Stores objects of random bytes for ever and says key and digest of each that is durable."""
    draw = random.Random(name)
    with DirectoryStore(Path(root)) as store:
        say("open")
        for number in range(1_000_000):
            data = draw.randbytes(draw.randrange(int(size)))
            key = "replaced.bin" if how == "replace" else f"{name}/{number % 7}/{number}.bin"
            if how == "put_file":
                source = Path(root).parent / f"source-{name}"
                source.write_bytes(data)
                store.put_file(key, source)
            else:
                store.put(key, data)
            say(f"{key} {hashlib.sha256(data).hexdigest()}")


VERBS: Final[dict[str, Callable[..., None]]] = {
    "open": open_only,
    "produce": produce,
    "consume": consume,
    "store": store_objects,
}

if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])
