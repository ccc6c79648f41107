"""The end of a job on the topic `jobs`: a job that has one is never driven again (U19)."""

from __future__ import annotations

from pairmill.bus.port import Bus, TopicPartition
from pairmill.units import JOBS_TOPIC
from pairmill_gateway.job_records import JobFact, job_key, jobs_partition
from pairmill_protos.job.v1.job_pb2 import JobEnded

_BATCH = 1000


def find_end(bus: Bus, job_id: str) -> JobEnded | None:
    """Returns how a job ended, or None if it has not; the first end counts."""
    source = TopicPartition(JOBS_TOPIC, jobs_partition(bus, job_id))
    key, position = job_key(job_id, JobFact.END), 0
    while messages := bus.read(source, start=position, max_records=_BATCH):
        for message in messages:
            if message.key == key:
                return JobEnded.FromString(message.value)
        position = messages[-1].offset + 1
    return None
