"""Child processes that use a Kafka bus until they are killed, through outages of the broker.

`python -m tests.fakes.kafka_child VERB SERVER,… TOPIC ARGUMENT…`. Each line on standard output is a fact
that holds from then on: what was acknowledged or received.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from pairmill.bus.kafka import KafkaBus
from pairmill.bus.port import Outgoing
from pairmill.errors import RetriableError
from tests.fakes.kafka_broker import PROMPT

T = TypeVar("T")
_PAUSE_SECONDS: Final = 0.1

CONFIG = dataclasses.replace(
    PROMPT, request_timeout_seconds=3.0, delivery_timeout_seconds=5.0, metadata_age_seconds=5.0
)


def say(text: str) -> None:
    """Writes a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def until_it_works(act: Callable[[], T]) -> T:
    """Does something again and again while the broker is away."""
    pause = threading.Event()
    while True:
        try:
            return act()
        except RetriableError:
            pause.wait(_PAUSE_SECONDS)


def produce(
    servers: str, topic: str, name: str, count: str, partitions: str, delivery_seconds: str = "5"
) -> None:
    """Publishes `NAME-0`, `NAME-1` … and says which were acknowledged.

    After that many seconds a record is published anew, as another one to the broker.
    """
    config = dataclasses.replace(CONFIG, delivery_timeout_seconds=float(delivery_seconds))
    with KafkaBus(tuple(servers.split(",")), config) as bus:
        for number in range(int(count)):
            value = f"{name}-{number}"
            message = Outgoing(
                topic=topic, partition=number % int(partitions), key=b"k", value=value.encode()
            )
            until_it_works(lambda message=message: bus.publish([message]))  # type: ignore[misc]  # its default
            say(value)


def consume(servers: str, topic: str, group: str, member: str) -> None:
    """Receives, says what, and commits after it was said; for ever."""
    with KafkaBus(tuple(servers.split(",")), CONFIG) as bus:
        consumer = until_it_works(lambda: bus.consumer(group=group, topics=[topic], member=member))
        while True:
            messages = until_it_works(lambda: consumer.poll(max_records=7, timeout_seconds=0.2))
            for message in messages:
                say(message.value.decode())
            ends = {message.source: message.offset + 1 for message in messages}
            until_it_works(lambda: consumer.commit(ends))  # noqa: B023  # called before the loop goes on


VERBS: Final[dict[str, Callable[..., None]]] = {"produce": produce, "consume": consume}

if __name__ == "__main__":
    VERBS[sys.argv[1]](*sys.argv[2:])
