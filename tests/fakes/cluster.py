"""A cluster in one process: gateways over a bus in memory and a store in a folder, stages of a few lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq

from pairmill.bus.port import Bus, TopicPartition
from pairmill.bus.topics import create_topics
from pairmill.ids import to_hex
from pairmill.ledger.follower import loader
from pairmill.ledger.root import load_root
from pairmill.rpc.callers import Caller, Role
from pairmill.stage.checkpoints import Checkpoints, NoCheckpoints
from pairmill.stage.datasets import dataset_store
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.units import LEDGER_TOPIC
from pairmill_gateway.audit_desk import AuditDesk
from pairmill_gateway.book import Book
from pairmill_gateway.bundles import BundleShelf
from pairmill_gateway.desk import Desk
from pairmill_gateway.indexing import Indexing
from pairmill_gateway.job_desk import JobDesk
from pairmill_gateway.job_records import admitted_message
from pairmill_gateway.jobs_loop import JobsLoop, JobsLoopSettings
from pairmill_gateway.running import RunningJobs
from pairmill_gateway.standing_desk import StandingDesk
from pairmill_gateway.status import JobStatus
from pairmill_gateway.submission import SubmissionLimits, Submissions
from pairmill_gateway.workshop import DatasetWorkshop
from pairmill_protos.index.v1.index_pb2 import IndexOptions
from pairmill_protos.job.v1.job_pb2 import JobAdmitted, JobEnded
from pairmill_protos.unit.v1.unit_pb2 import UnitTask
from tests.fakes.bus import MemoryBus
from tests.fakes.bus_stages import BusStages
from tests.fakes.clock import ManualClock
from tests.fakes.dataset import Builder
from tests.fakes.dataset_options import Options, small_spec
from tests.fakes.dataset_world import Candidate, make_world

WORLD = make_world(candidates=30, seed=7)
CALLER = Caller(name="tester", role=Role.OPERATE)
ALL = frozenset({0})
"""The partitions of the ledger."""

_SECONDS = 30.0


@dataclass
class LastStatuses:
    """Keeps the latest status of each job."""

    by_job: dict[str, JobStatus] = field(default_factory=dict)

    def show(self, status: JobStatus) -> None:
        self.by_job[status.job_id] = status


@dataclass
class Gateway:
    """One gateway, turned by hand. It owns all of the ledger unless told otherwise."""

    book: Book
    running: RunningJobs
    loop: JobsLoop
    workshop: DatasetWorkshop
    statuses: LastStatuses
    jobs: JobDesk
    audits: AuditDesk
    standings: StandingDesk

    def ended(self, job_id: str) -> JobEnded | None:
        entry = self.book.get(job_id)
        return entry.ended if entry is not None else None


class Cluster:
    """Bus, store, clock, and the jobs that were admitted."""

    def __init__(self, folder: Path, partitions: int = 4, bus: MemoryBus | None = None) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.bus = bus or MemoryBus()
        create_topics(self.bus, partitions)
        self.store = DirectoryStore(self.out)
        self.clock = ManualClock()
        self.builders: dict[str, Builder] = {}
        self.stages: dict[str, BusStages] = {}

    def gateway(
        self,
        *,
        bus: Bus | None = None,
        checkpoints: Checkpoints | None = None,
        sweep_again_seconds: float = 86_400.0,
        absent_after_seconds: float = 1800.0,
        keeps_ledger: bool = False,
        index_finished: bool = False,
    ) -> Gateway:
        """Returns a gateway as it is after a start."""
        bus = bus or self.bus
        workshop = self._workshop(bus, checkpoints or NoCheckpoints())
        book, running, statuses = Book(bus), RunningJobs(), LastStatuses()
        loop = JobsLoop(
            JobsLoopSettings(
                member="gateway-0",
                poll_seconds=0.01,
                sweep_again_seconds=sweep_again_seconds,
                absent_after_seconds=absent_after_seconds,
                keeps_ledger=keeps_ledger,
            ),
            bus=bus,
            book=book,
            running=running,
            workshop=workshop,
            clock=self.clock,
            sink=statuses,
            checkpoints=checkpoints or NoCheckpoints(),
            indexing=Indexing(bus, workshop, self.clock, IndexOptions()) if index_finished else None,
        )
        loop.own(ALL)
        desk = Desk(
            bus=bus,
            store=self.store,
            store_url=f"file://{self.out}",
            book=book,
            running=running,
            clock=self.clock,
        )
        shelf = BundleShelf(self.folder / "bundles")
        submissions = Submissions(bus, self.store, book, shelf, SubmissionLimits(max_wats=1000))
        return Gateway(
            book=book,
            running=running,
            loop=loop,
            workshop=workshop,
            statuses=statuses,
            jobs=JobDesk(desk, submissions),
            audits=AuditDesk(desk, submissions, self.folder / "scratch"),
            standings=StandingDesk(book, running),
        )

    def _workshop(self, bus: Bus, checkpoints: Checkpoints) -> DatasetWorkshop:
        return DatasetWorkshop(
            bus=bus,
            store=self.store,
            store_url=f"file://{self.out}",
            scratch=self.folder / "scratch",
            clock=self.clock,
            checkpoints=checkpoints,
            reissue_after_seconds=30.0,
            render=lambda dataset: f"report of {dataset.manifest.job_id}",
        )

    def admit(self, wats: int = 3, options: Options | None = None, *, dataset: str | None = None) -> str:
        """Admits a job with stages that work for it; returns its id. Other WATs make another job."""
        work = self.folder / f"work-{len(self.builders)}"
        builder = Builder(work, options or Options(world=WORLD, spec=small_spec(wats)))
        job_id = builder.spec.job_id
        dataset = job_id if dataset is None else dataset
        self.builders[job_id] = builder
        self.stages[job_id] = BusStages(self.bus, dataset_store(self.store, dataset), builder, work, dataset)
        self.announce(job_id, dataset)
        return job_id

    def work_on_repair(self, job_id: str, base: str, options: Options, gateway: Gateway) -> list[Candidate]:
        """Gives a repair that was admitted by a gateway stages; returns what runs again."""
        entry = gateway.book.get(job_id)
        assert entry is not None
        store, dataset = dataset_store(self.store, entry.admitted.dataset), entry.admitted.dataset
        root, work = load_root(entry.admitted.spec, loader(store)), self.folder / f"work-{len(self.builders)}"
        builder = Builder(work, replace(options, attempt_seed=77), root)
        builder.start_from(self.builders[base])
        again: list[Candidate] = []
        for task in root.repair_tasks(loader(store)):
            held = held_by(task, store, options.world)
            builder.hold(task.unit_id.removeprefix(f"{job_id}/"), held)
            again.extend(held)
        self.builders[job_id] = builder
        self.stages[job_id] = BusStages(self.bus, store, builder, work, dataset)
        return again

    def announce(self, job_id: str, dataset: str) -> None:
        """Publishes the record by which a job is admitted."""
        record = JobAdmitted(
            job_id=job_id,
            spec=self.builders[job_id].spec_ref,
            ledger_partition=0,
            dataset=dataset,
            submitted_by="tester",
            tenant="default",
            profile="default",
            ledger_offset=self.bus.end_offset(TopicPartition(LEDGER_TOPIC, 0)),
        )
        self.bus.publish([admitted_message(self.bus, record)])

    def drive(
        self, *gateways: Gateway, until: Callable[[], bool] | None = None, seconds: float = _SECONDS
    ) -> None:
        """Lets gateways and stages take turns until all jobs have ended."""
        first = gateways[0]
        done = until or (lambda: all(first.ended(job_id) is not None for job_id in self.stages))
        deadline = time.monotonic() + seconds
        while not done():
            self.turn(*gateways)
            assert time.monotonic() < deadline, {job.job_id: job.status() for job in first.running.jobs()}

    def turn(self, *gateways: Gateway) -> None:
        """Gives each gateway and each stage a turn, a second apart."""
        for gateway in gateways:
            gateway.loop.turn()
        for stages in self.stages.values():
            stages.step()
        self.clock.sleep(1.0)


def held_by(task: UnitTask, store: ObjectStore, world: Sequence[Candidate]) -> list[Candidate]:
    """Returns the candidates of a repair's download unit, as its file of rows has them."""
    download = task.input.download
    with pq.ParquetFile(BytesIO(store.get(download.rows.key, sha256=download.rows.sha256))) as file:
        ids = file.read_row_group(download.row_group, columns=["sample_id"]).column("sample_id").to_pylist()
    by_key = {candidate.key: candidate for candidate in world}
    return [by_key[to_hex(identifier)] for identifier in ids if identifier is not None]
