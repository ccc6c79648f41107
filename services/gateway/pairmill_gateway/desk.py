"""What all answers of the gateway start from: the book, the running jobs, the datasets."""

from __future__ import annotations

from dataclasses import dataclass

from pairmill.bus.port import Bus
from pairmill.clock import Clock
from pairmill.dataset.manifest_files import ManifestReader, manifest_in
from pairmill.dataset.source import DatasetFiles
from pairmill.dataset.versions import manifest_name_of
from pairmill.errors import ObjectMissingError, RetriableError
from pairmill.rpc.callers import Caller, Role
from pairmill.store.port import ObjectStore
from pairmill_gateway.book import Book, JobEntry
from pairmill_gateway.cluster_job import ClusterJob
from pairmill_gateway.rpc.ports import UnknownJobError
from pairmill_gateway.running import RunningJobs
from pairmill_gateway.workshop import dataset_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Thread-safe."""

    bus: Bus
    store: ObjectStore
    store_url: str
    book: Book
    running: RunningJobs
    clock: Clock

    def entry(self, job_id: str, caller: Caller) -> JobEntry:
        """Returns a job that the caller may see.

        Raises UnknownJobError for any other, RetriableError while the topic of jobs has not been read.
        """
        self.check_open()
        entry = self.book.get(job_id)
        if entry is None:
            self.book.catch_up()  # another gateway may have admitted it a moment ago
            entry = self.book.get(job_id)
        if entry is None or not self.may_see(entry, caller):
            raise UnknownJobError(f"job_id: there is no job {job_id!r}")
        return entry

    def check_open(self) -> None:
        """Raises RetriableError while the topic of jobs has not been read."""
        if not self.running.is_open:
            raise RetriableError("the gateway is still reading which jobs there are")

    def may_see(self, entry: JobEntry, caller: Caller) -> bool:
        """Whether a job is the caller's; administrators see all."""
        return caller.role >= Role.ADMIN or entry.admitted.tenant == caller.tenant

    def job(self, entry: JobEntry) -> ClusterJob:
        """Returns a job that has not ended; raises RetriableError if its first turn is still to come."""
        job = self.running.get(entry.job_id)
        if job is None:
            raise RetriableError(f"job {entry.job_id} was admitted a moment ago, or ends now")
        return job

    def manifest(self, entry: JobEntry) -> ManifestReader:
        """Returns the manifest of a job that has ended; raises ObjectMissingError if it is not there."""
        source = self.files_of(entry)
        name = manifest_name_of(source, entry.job_id)
        if name is None:
            raise ObjectMissingError(f"the manifest of job {entry.job_id} is not there")
        return manifest_in(source, name)

    def files_of(self, entry: JobEntry) -> DatasetFiles:
        """Returns read access to a job's dataset."""
        return dataset_files(self.store_url, self.store, entry.admitted.dataset)
