"""The jobs that have not ended, as this gateway drives them."""

from __future__ import annotations

from collections.abc import Collection

from pairmill_gateway.cluster_job import ClusterJob


class RunningJobs:
    """Changed by the loop's thread, read by any."""

    def __init__(self) -> None:
        self._jobs: dict[str, ClusterJob] = {}
        self.is_open = False  # whether the topic of jobs has been read once

    def __contains__(self, job_id: str) -> bool:
        """Whether a job is among them."""
        return job_id in self._jobs

    def get(self, job_id: str) -> ClusterJob | None:
        """Returns a job, or None if it is not known or has ended."""
        return self._jobs.get(job_id)

    def jobs(self) -> list[ClusterJob]:
        """Returns all of them."""
        return list(self._jobs.values())

    def add(self, job: ClusterJob) -> None:
        """Adds a job."""
        self._jobs[job.job_id] = job

    def keep_only(self, job_ids: Collection[str]) -> list[ClusterJob]:
        """Lets the others go, and returns them."""
        gone = [job for job_id, job in self._jobs.items() if job_id not in job_ids]
        self._jobs = {job_id: job for job_id, job in self._jobs.items() if job_id in job_ids}
        return gone
