"""The root of a job: the units that are expected from the start (U3, U6, U16)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pairmill.ledger.paths import crawl_id
from pairmill.units import new_task
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import CrawlInput, FollowUps, ObjectRef, UnitInput, UnitTask

Load = Callable[[ObjectRef], bytes]
"""Returns the verified bytes of an object that a record refers to."""


@dataclass(frozen=True, slots=True)
class JobRoot:
    """A job's pinned spec with the reference that its tasks carry, and its list of WATs."""

    spec: JobSpec
    spec_ref: ObjectRef
    wats: Sequence[str]

    @property
    def waves(self) -> int:
        """Number of waves."""
        return -(-len(self.wats) // self.spec.wave_size) if self.wats else 0

    def wave_of(self, wat_index: int) -> int:
        """Returns the wave of a WAT."""
        return wat_index // self.spec.wave_size

    def wats_of(self, wave: int) -> range:
        """Returns the positions of a wave's WATs."""
        first = wave * self.spec.wave_size
        return range(first, min(first + self.spec.wave_size, len(self.wats)))

    def crawl_tasks(self, wave: int) -> Iterator[UnitTask]:
        """Yields the crawl units of a wave, in the order of their WATs."""
        return map(self.crawl_task, self.wats_of(wave))

    def crawl_ids(self, wave: int) -> Iterator[str]:
        """Yields the ids of the crawl units of a wave, in the order of their WATs."""
        return (crawl_id(self.spec.job_id, wave, index) for index in self.wats_of(wave))

    def crawl_task(self, wat_index: int) -> UnitTask:
        """Returns the crawl unit of a WAT."""
        crawl = CrawlInput(wat=self.wats[wat_index], wat_index=wat_index, crawl=self.spec.crawl)
        return new_task(
            spec=self.spec_ref,
            job_id=self.spec.job_id,
            unit_id=crawl_id(self.spec.job_id, self.wave_of(wat_index), wat_index),
            unit_input=UnitInput(crawl=crawl),
        )

    def repair_tasks(self, load: Load) -> Iterator[UnitTask]:
        """Yields the download units that a repair runs again (U16).

        They stand in the object that the base version names, without job and spec, because the spec
        itself names that object.
        """
        if not self.spec.base.HasField("rows"):
            return
        for relative in FollowUps.FromString(load(self.spec.base.rows)).inline:
            task = UnitTask()
            task.CopyFrom(relative)
            task.job_id = self.spec.job_id
            task.unit_id = f"{self.spec.job_id}/{relative.unit_id}"
            task.spec.CopyFrom(self.spec_ref)
            yield task


def load_root(spec_ref: ObjectRef, load: Load) -> JobRoot:
    """Returns the root of the job whose spec an object holds."""
    spec = JobSpec.FromString(load(spec_ref))
    listed = load(spec.wat_list).decode().splitlines() if spec.wat_count else []
    return JobRoot(spec=spec, spec_ref=spec_ref, wats=tuple(listed))
