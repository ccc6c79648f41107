"""Publishing: idempotent, acknowledged by all replicas, in order per partition (U2)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from pairmill.bus.kafka_clients import KafkaClients, close_producer
from pairmill.bus.kafka_clock import BrokerClock
from pairmill.bus.kafka_errors import translated
from pairmill.bus.kafka_lazy import Lazy
from pairmill.bus.port import Outgoing
from pairmill.errors import PairmillError, RetriableError

_GRACE_SECONDS: Final = 5.0  # beyond the client's own limit, which it checks now and then


class Publisher:
    """One producer for all threads of a process, made anew after a failure.

    A producer that could not deliver a record has a hole in its sequence. It is given up, so that
    what is published next does not depend on what became of it.
    """

    def __init__(self, clients: KafkaClients, clock: BrokerClock, *, delivery_seconds: float) -> None:
        self._producer = Lazy(clients.producer, close_producer)
        self._clock = clock
        self._delivery_seconds = delivery_seconds

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns once all are acknowledged; raises one of our errors otherwise."""
        producer = self._producer.get()
        try:
            with translated(f"publishing to {', '.join(sorted({each.topic for each in messages}))}"):
                self._deliver(producer, messages)
        except PairmillError:
            self._producer.discard(producer)
            raise

    def _deliver(self, producer: Any, messages: Sequence[Outgoing]) -> None:
        futures = [_send(producer, each) for each in messages]
        deadline = time.monotonic() + self._delivery_seconds + _GRACE_SECONDS
        stamp = None
        for future in futures:
            stamp = future.get(timeout=max(0.0, deadline - time.monotonic())).timestamp
        if stamp is not None:
            self._clock.stamped_now(stamp / 1000)

    def close(self) -> None:
        """Closes the producer."""
        self._producer.discard()


def _send(producer: Any, message: Outgoing) -> Any:
    """Hands a message to the producer; returns the future of its acknowledgement.

    A producer that has not heard yet of a new partition, or of a topic made anew, calls it a wrong
    value; the next one asks for what there is.
    """
    try:
        return producer.send(
            message.topic,
            value=message.value,
            key=message.key,
            headers=list(message.headers),
            partition=message.partition,
        )
    except ValueError as error:
        place = f"{message.topic}/{message.partition}"
        raise RetriableError(f"the producer knows no partition {place} yet ({error})") from error
