"""A small job on a real bus and a real store, driven by a real gateway, with stages of a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.topics import create_topics
from pairmill.dataset.source import FolderFiles
from pairmill.stage.checkpoints import NoCheckpoints
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill_gateway.driver import JobDriver
from pairmill_gateway.finisher import DatasetFinisher
from pairmill_gateway.ports import Repeat
from pairmill_gateway.retention import Retention
from pairmill_gateway.status import JobStatus
from tests.fakes.bus_stages import BusStages
from tests.fakes.clock import ManualClock
from tests.fakes.dataset import Builder
from tests.fakes.dataset_options import Options
from tests.fakes.dataset_world import make_world

WORLD = make_world(candidates=40, seed=5)


class LastStatus:
    """Keeps the latest status."""

    def __init__(self) -> None:
        self.status: JobStatus | None = None

    def show(self, status: JobStatus) -> None:
        self.status = status


@dataclass
class Repeats:
    """Notes what was handed out again: why, and how often by then."""

    seen: list[tuple[Repeat, int]] = field(default_factory=list)

    def handed_out_again(self, cause: Repeat, times: int) -> None:
        self.seen.append((cause, times))


@dataclass
class Job:
    """A job that can be driven."""

    out: Path
    bus: SqliteBus
    store: DirectoryStore
    builder: Builder
    stages: BusStages
    clock: ManualClock
    sink: LastStatus
    scratch: Path
    repeats: Repeats = field(default_factory=Repeats)

    def driver(self, store: ObjectStore | None = None, *, retention: Retention | None = None) -> JobDriver:
        """Returns a gateway as it is after a start."""
        return JobDriver(
            self.builder.spec_ref,
            bus=self.bus,
            store=store or self.store,
            clock=self.clock,
            finisher=self.finisher(store),
            sink=self.sink,
            reissue_after_seconds=30.0,
            checkpoints=NoCheckpoints(),
            retention=retention,
            observer=self.repeats,
        )

    def finisher(self, store: ObjectStore | None = None) -> DatasetFinisher:
        """Returns who writes the dataset's last files."""
        return DatasetFinisher(
            self.bus,
            store or self.store,
            FolderFiles(self.out),
            self.scratch,
            lambda dataset: f"report of {dataset.manifest.job_id}",
            NoCheckpoints(),
        )

    def drive(self, driver: JobDriver) -> None:
        """Lets gateway and stages take turns until the job has ended."""
        for _ in range(200):
            driver.step()
            if driver.ended is not None:
                return
            self.stages.step()
            self.clock.sleep(1.0)
        raise AssertionError(f"the job does not end: {driver.status}")


@contextmanager
def new_job(folder: Path, options: Options | None = None) -> Iterator[Job]:
    """Gives a job of three WATs in two waves that nothing has been done for yet."""
    with SqliteBus(folder / "state" / "bus.db") as bus, DirectoryStore(folder / "out") as store:
        create_topics(bus, 4)
        builder = Builder(folder / "work", options or Options(world=WORLD))
        yield Job(
            out=folder / "out",
            bus=bus,
            store=store,
            builder=builder,
            stages=BusStages(bus, store, builder, folder / "work"),
            clock=ManualClock(),
            sink=LastStatus(),
            scratch=folder / "scratch",
        )
