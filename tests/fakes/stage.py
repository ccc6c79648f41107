"""A stage with a toy handler over the embedded bus and store, in this process or in a child.

`python -m tests.fakes.stage FOLDER KILL_AT` works on what is published in the folder, with one unit
that always raises, until it is stopped.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pairmill.bus.port import Bus, TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.topics import create_topics
from pairmill.clock import Clock, SystemClock
from pairmill.jobspec.profiles import profile
from pairmill.ledger.follower import JobFollower
from pairmill.stage.checkpoints import Checkpoints, KillAt, NoCheckpoints
from pairmill.stage.loop import LoopSettings, StageLoop
from pairmill.stage.messages import task_message
from pairmill.stage.observer import NullObserver
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.stage.standing import LedgerRegistry
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.units import LEDGER_TOPIC
from pairmill_gateway.admission import Admission, admit
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, Stage, UnitTask

GROUP: Final = "crawl-1"
TOPIC: Final = "wat-tasks"
PASSED: Final = (Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED)


@dataclass(slots=True)
class ToyHandler:
    """Runs `work` for each unit; the self-test passes unless `ill`."""

    work: Callable[[UnitContext], UnitResult]
    stage: Stage.ValueType = Stage.STAGE_CRAWL
    ill: bool = False
    seen: list[str] = field(default_factory=list)

    def handle(self, context: UnitContext) -> UnitResult:
        self.seen.append(context.task.unit_id)
        return self.work(context)

    def self_test(self) -> None:
        if self.ill:
            raise RuntimeError("not well")

    def close(self) -> None:
        """Nothing to end."""


def one_row(context: UnitContext) -> UnitResult:
    ref = context.put(context.key("steps/toy", ".bin"), b"data", role="candidates", rows=1)
    return UnitResult(rows_in=1, tally={PASSED: 1}, outputs=[ref])


@dataclass(slots=True)
class Stack:
    """A bus, a store and an admitted job of some WATs."""

    bus: SqliteBus
    store: DirectoryStore
    admission: Admission
    scratch: Path

    @property
    def tasks(self) -> list[UnitTask]:
        return list(JobFollower(self.bus, self.store, self.admission.spec_ref).root.crawl_tasks(0))

    def publish(self, tasks: list[UnitTask]) -> None:
        self.bus.publish([task_message(self.bus, task, self.admission.spec) for task in tasks])

    def ledger(self) -> list[LedgerRecord]:
        messages = self.bus.read(TopicPartition(LEDGER_TOPIC, 0), start=0, max_records=1000)
        return [LedgerRecord.FromString(message.value) for message in messages]

    def lag(self) -> int:
        sources = [TopicPartition(TOPIC, part) for part in range(self.bus.partitions(TOPIC))]
        return sum(
            self.bus.end_offset(source) - (self.bus.committed(GROUP, source) or 0) for source in sources
        )

    def loop(
        self,
        handler: ToyHandler,
        member: str = "a",
        *,
        bus: Bus | None = None,
        store: ObjectStore | None = None,
        clock: Clock | None = None,
        checkpoints: Checkpoints | None = None,
        **settings: float,
    ) -> StageLoop:
        """Returns a loop that has not started; bus, store and clock may stand before the real ones."""
        bus, store = bus or self.bus, store or self.store
        return StageLoop(
            LoopSettings(
                group=GROUP,
                topics=(TOPIC,),
                member=member,
                scratch=self.scratch / member,
                **{"poll_seconds": 0.02, **settings},  # type: ignore[arg-type] # floats for the fields that take them
            ),
            handler,
            bus=bus,
            store=store,
            registry=LedgerRegistry(bus, store),
            clock=clock or SystemClock(),
            observer=NullObserver(),
            checkpoints=checkpoints or NoCheckpoints(),
        )


@contextmanager
def open_stack(folder: Path, wats: int = 12) -> Iterator[Stack]:
    """Opens bus and store in a folder with a job of some WATs; the same again opens the same."""
    admission = admit(profile("everything"), tuple(f"/wat-{number}" for number in range(wats)))
    with (
        SqliteBus(folder / "bus.db", session_seconds=1.0) as bus,
        DirectoryStore(folder / "out") as store,
    ):
        create_topics(bus, 4)
        for key, data in admission.objects.items():
            store.put(key, data)
        yield Stack(bus, store, admission, folder / "scratch")


@contextmanager
def running(loop: StageLoop) -> Iterator[StageLoop]:
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.request_stop()
        thread.join(20)
        assert not thread.is_alive()


def fails_for_one_wat(context: UnitContext) -> UnitResult:
    """Raises for the second WAT and works for all others."""
    if context.task.input.crawl.wat_index == 1:
        raise ZeroDivisionError(context.task.unit_id)
    return one_row(context)


def main(folder: str, kill_at: str) -> int:
    """Works in a folder; `kill_at` is empty or `point:n`."""
    with open_stack(Path(folder)) as stack:
        point, _, passage = kill_at.partition(":")
        checkpoints = KillAt(point, int(passage)) if point else NoCheckpoints()
        handler = ToyHandler(fails_for_one_wat)
        loop = stack.loop(
            handler, checkpoints=checkpoints, commit_seconds=0.0
        )  # so that a kill has its commit
        signal.signal(signal.SIGTERM, lambda _number, _frame: loop.request_stop())
        return loop.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
