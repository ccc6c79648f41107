"""The end of a job on the topic `jobs`: a job that has one is never driven again (U19)."""

from __future__ import annotations

from pairmill.bus.port import Bus, Outgoing, TopicPartition
from pairmill.units import JOBS_TOPIC, key_partition
from pairmill_protos.job.v1.job_pb2 import JobEnded

_BATCH = 1000


def end_message(bus: Bus, ended: JobEnded) -> Outgoing:
    """Returns the record that a job has ended."""
    return Outgoing(
        topic=JOBS_TOPIC,
        partition=_partition(bus, ended.job_id),
        key=_key(ended.job_id),
        value=ended.SerializeToString(),
    )


def find_end(bus: Bus, job_id: str) -> JobEnded | None:
    """Returns how a job ended, or None if it has not; the first end counts."""
    source = TopicPartition(JOBS_TOPIC, _partition(bus, job_id))
    key, position = _key(job_id), 0
    while messages := bus.read(source, start=position, max_records=_BATCH):
        for message in messages:
            if message.key == key:
                return JobEnded.FromString(message.value)
        position = messages[-1].offset + 1
    return None


def _key(job_id: str) -> bytes:
    return f"{job_id}/end".encode()


def _partition(bus: Bus, job_id: str) -> int:
    return key_partition(job_id.encode(), bus.partitions(JOBS_TOPIC))
