"""The units that a stage has in hand: waiting, at work, or ended with an effect to publish."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from pairmill.bus.port import Message, Outgoing, TopicPartition
from pairmill.stage.attempt import AttemptEnd
from pairmill.stage.breaker import Backoff
from pairmill.stage.port import Tally, UnitContext
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, UnitTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """When work may start, by the broker's clock and, should clocks be set, at the latest by our own."""

    at: datetime
    monotonic: float

    def remaining(self, now: datetime, monotonic: float) -> float:
        """Returns the seconds until it is time, 0 once it is; `now` is the broker's time."""
        return max(0.0, min((self.at - now).total_seconds(), self.monotonic - monotonic))


@dataclass(slots=True, kw_only=True)
class PendingEffect:
    """What is still to be made durable before an offset is finished, in this order."""

    attachments: dict[str, bytes]
    follow_ups: list[Outgoing]
    facts: list[Outgoing]
    tally: Tally
    outputs: Sequence[ObjectRef] = ()  # what the unit has stored already
    is_failure: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class UnitInHand:
    """One delivered task until its offset is finished. The same task may be in hand twice."""

    message: Message
    task: UnitTask
    spec: JobSpec
    due: Due
    backoff: Backoff
    announced: str = ""  # attempt under which this process published a start
    lost: bool = False  # its partition went to another member: it may end, but not start again
    context: UnitContext | None = None
    future: Future[AttemptEnd] | None = None
    effect: PendingEffect | None = None

    @property
    def source(self) -> TopicPartition:
        """The partition that the task came from."""
        return self.message.source

    @property
    def ended(self) -> bool:
        """Whether its worker thread is through with it."""
        return self.future is not None and self.future.done()

    @property
    def at_work(self) -> bool:
        """Whether a worker thread has it."""
        return self.future is not None

    @property
    def is_waiting(self) -> bool:
        """Whether it is still to be worked on."""
        return self.future is None and self.effect is None and not self.lost

    def startable_in(self, now: datetime, monotonic: float) -> float:
        """Returns the seconds until it is due and the delay after a failure is over; 0 if work may start."""
        return max(self.due.remaining(now, monotonic), self.backoff.ready_in)

    def cut_off(self) -> None:
        """Asks the attempt at work, if any, to end with what it has (U9)."""
        if self.context is not None:
            self.context.cut_off.set()
