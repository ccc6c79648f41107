"""The records of jobs on the topic `jobs`: one key for each thing that there is to say of a job (U19)."""

from __future__ import annotations

import enum

from google.protobuf.message import Message as Record

from pairmill.bus.port import Bus, Outgoing
from pairmill.units import JOBS_TOPIC, key_partition
from pairmill_protos.job.v1.job_pb2 import JobAdmitted, JobEnded, JobIndexed, JobResumed, JobSwept
from pairmill_protos.unit.v1.unit_pb2 import Cancel


class JobFact(enum.StrEnum):
    """What a record says of its job: the last part of its key."""

    SPEC = "spec"
    CANCEL = "cancel"
    RESUME = "resume"
    END = "end"
    SWEPT = "swept"
    INDEXED = "indexed"


def admitted_message(bus: Bus, admitted: JobAdmitted) -> Outgoing:
    """Returns the record that there is a job; the first of a job counts."""
    return _message(bus, admitted.job_id, JobFact.SPEC, admitted)


def cancel_message(bus: Bus, cancel: Cancel) -> Outgoing:
    """Returns the record by which stages are told that a job is cancelled (U18)."""
    return _message(bus, cancel.job_id, JobFact.CANCEL, cancel)


def resumed_message(bus: Bus, resumed: JobResumed) -> Outgoing:
    """Returns the record that a blocked job tries again (U13)."""
    return _message(bus, resumed.job_id, JobFact.RESUME, resumed)


def end_message(bus: Bus, ended: JobEnded) -> Outgoing:
    """Returns the record that a job has ended; the first of a job counts."""
    return _message(bus, ended.job_id, JobFact.END, ended)


def swept_message(bus: Bus, swept: JobSwept) -> Outgoing:
    """Returns the record that nothing of a job's leavings is left to be swept."""
    return _message(bus, swept.job_id, JobFact.SWEPT, swept)


def indexed_message(bus: Bus, indexed: JobIndexed) -> Outgoing:
    """Returns the record that a job's dataset has its index, or needs none."""
    return _message(bus, indexed.job_id, JobFact.INDEXED, indexed)


def job_key(job_id: str, what: JobFact) -> bytes:
    """Returns the key of one of a job's records."""
    return f"{job_id}/{what}".encode()


def parse_key(key: bytes) -> tuple[str, JobFact] | None:
    """Returns the job of a record and what it says; None for a key that this version does not know."""
    job_id, _, what = key.decode(errors="replace").rpartition("/")
    known = {fact.value: fact for fact in JobFact}
    return (job_id, known[what]) if job_id and what in known else None


def jobs_partition(bus: Bus, job_id: str) -> int:
    """Returns the partition of `jobs` that holds a job's records."""
    return key_partition(job_id.encode(), bus.partitions(JOBS_TOPIC))


def _message(bus: Bus, job_id: str, what: JobFact, record: Record) -> Outgoing:
    return Outgoing(
        topic=JOBS_TOPIC,
        partition=jobs_partition(bus, job_id),
        key=job_key(job_id, what),
        value=record.SerializeToString(deterministic=True),
    )
