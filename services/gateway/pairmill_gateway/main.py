"""A gateway's process: it drives the one job that its environment names, or all jobs of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pairmill_gateway.many_jobs import drive_jobs
from pairmill_gateway.one_job import drive_job

ONE_JOB: Final = "PAIRMILL_SPEC_KEY"
"""Set: drive the job with this spec, as `pairmill run` does."""


def main(env: Mapping[str, str]) -> int:
    """Runs a gateway until it is told to stop, or the one job has ended; returns the exit code."""
    return drive_job(env) if env.get(ONE_JOB) else drive_jobs(env)
