"""The book of all jobs, as the topic `jobs` has them (U19)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from pairmill.bus.port import Bus, Message, TopicPartition
from pairmill.units import JOBS_TOPIC
from pairmill_gateway.job_records import JobFact, admitted_message, parse_key
from pairmill_protos.job.v1.job_pb2 import JobAdmitted, JobEnded, JobResumed
from pairmill_protos.unit.v1.unit_pb2 import Cancel

log = structlog.get_logger(__name__)

NEVER_RESUMED: Final = -1
_BATCH: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """What the topic says of a job. Times are the broker's."""

    admitted: JobAdmitted
    admitted_at: datetime
    cancel: Cancel | None = None
    resumed_after: int = NEVER_RESUMED  # failures up to this place in the ledger are forgiven (U13)
    ended: JobEnded | None = None
    ended_at: datetime | None = None
    swept: bool = False  # for good
    indexed: bool = False  # its dataset has its index, or needs none

    @property
    def job_id(self) -> str:
        """The job."""
        return self.admitted.job_id

    @property
    def is_running(self) -> bool:
        """Whether the job is to be driven."""
        return self.ended is None


class Book:
    """Follows the topic. Thread-safe; an entry is a value that does not change."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._lock = threading.Lock()
        self._positions: dict[int, int] = {}
        self._entries: dict[str, JobEntry] = {}
        self._early: dict[
            str, dict[JobFact, Message]
        ] = {}  # compaction may leave a job's spec behind the rest
        self._unreadable = 0

    @property
    def is_whole(self) -> bool:
        """Whether every record so far could be read: of others nobody knows which job they are of."""
        return not self._unreadable

    def catch_up(self) -> int:
        """Reads what is new; returns how many records that were. Raises RetriableError."""
        read = 0
        with self._lock:
            for partition in range(self._bus.partitions(JOBS_TOPIC)):
                source = TopicPartition(JOBS_TOPIC, partition)
                while messages := self._bus.read(
                    source, start=self._positions.get(partition, 0), max_records=_BATCH
                ):
                    for message in messages:
                        self._take(message)
                        self._positions[partition] = message.offset + 1
                    read += len(messages)
        return read

    def places(self) -> dict[TopicPartition, int]:
        """Returns where the topic's next records will stand, as of the last look."""
        with self._lock:
            count = self._bus.partitions(JOBS_TOPIC)
            return {TopicPartition(JOBS_TOPIC, part): self._positions.get(part, 0) for part in range(count)}

    def get(self, job_id: str) -> JobEntry | None:
        """Returns a job as of the last look at the topic."""
        return self._entries.get(job_id)

    def entries(self) -> list[JobEntry]:
        """Returns all jobs, the oldest first."""
        with self._lock:
            return list(self._entries.values())

    def _take(self, message: Message) -> None:
        found = parse_key(message.key)
        if found is None:
            return
        job_id, what = found
        try:
            if what is JobFact.SPEC:
                self._admit(job_id, JobAdmitted.FromString(message.value), message)
            elif job_id in self._entries:
                self._entries[job_id] = _noted(self._entries[job_id], what, message)
            else:
                self._early.setdefault(job_id, {}).setdefault(what, message)
        except DecodeError as error:
            self._unreadable += 1
            log.error("job_record_unreadable", job=job_id, what=what, offset=message.offset, error=str(error))

    def _admit(self, job_id: str, admitted: JobAdmitted, message: Message) -> None:
        known = self._entries.get(job_id)
        if known is not None:
            if known.admitted.spec.sha256 != admitted.spec.sha256:
                # Compaction keeps the last record of a key, so that one has to be what counts.
                self._bus.publish([admitted_message(self._bus, known.admitted)])
            return
        entry = JobEntry(admitted=admitted, admitted_at=message.appended_at)
        for what, early in self._early.pop(job_id, {}).items():
            entry = _noted(entry, what, early)
        self._entries[job_id] = entry


def _noted(entry: JobEntry, what: JobFact, message: Message) -> JobEntry:
    match what:
        case JobFact.CANCEL if entry.cancel is None:
            return replace(entry, cancel=Cancel.FromString(message.value))
        case JobFact.RESUME:
            place = JobResumed.FromString(message.value).ledger_offset
            return replace(entry, resumed_after=max(place, entry.resumed_after))
        case JobFact.END if entry.ended is None:
            return replace(entry, ended=JobEnded.FromString(message.value), ended_at=message.appended_at)
        case JobFact.SWEPT:
            return replace(entry, swept=True)
        case JobFact.INDEXED:
            return replace(entry, indexed=True)
        case _:
            return entry
