"""Reads the ledger topic and keeps the walks of the jobs in it up to date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from pairmill.bus.port import Bus, Message, TopicPartition
from pairmill.ledger.root import Load, load_root
from pairmill.ledger.walk import Walk
from pairmill.store.port import ObjectStore
from pairmill.units import LEDGER_TOPIC, PROGRESS_TOPIC, key_partition
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, ObjectRef, Progress

_BATCH = 2000


def loader(store: ObjectStore) -> Load:
    """Returns a function that reads objects that records refer to, verified by their digest."""

    def load(ref: ObjectRef) -> bytes:
        return store.get(ref.key, sha256=ref.sha256)

    return load


class JobFollower:
    """Follows one job: its walk, and how often each unit was started. Not thread-safe."""

    def __init__(self, bus: Bus, store: ObjectStore, spec_ref: ObjectRef) -> None:
        self._bus = bus
        self._load = loader(store)
        self.root = load_root(spec_ref, self._load)
        self.walk = Walk(self.root, self._load)
        self._job_key = job_key = self.root.spec.job_id.encode()
        self._ledger = _Reader(
            bus, TopicPartition(LEDGER_TOPIC, key_partition(job_key, bus.partitions(LEDGER_TOPIC)))
        )
        self._progress = _Reader(
            bus,
            TopicPartition(PROGRESS_TOPIC, key_partition(job_key, bus.partitions(PROGRESS_TOPIC))),
        )
        self._starts: dict[tuple[str, bytes], dict[str, int]] = {}  # open pair → attempt → place
        self.last_progress: dict[str, Progress] = {}

    def catch_up(self) -> int:
        """Feeds all new facts to the walk; returns how many there were.

        Raises what bus and store raise; the next call goes on from there.
        """
        job_id, fed = self.root.spec.job_id, 0
        self.walk.settle()
        for message in self._ledger.new_messages():
            if message.key != self._job_key:
                continue  # most records of a partition that many jobs share need not be parsed
            try:
                record = LedgerRecord.FromString(message.value)
            except DecodeError:
                continue  # no fact at all; what it should have said is healed (U5)
            if record_job(record) == job_id:
                self.walk.feed(message.offset, record)
                fed += 1
        return fed

    def last_place(self) -> int:
        """Returns the place in the ledger of the last fact read, -1 if there is none."""
        return self._ledger.position - 1

    def catch_up_progress(self) -> list[Progress]:
        """Reads all new signs of life of the job's units and counts their starts (U13)."""
        seen, prefix = [], self._job_key + b"/"
        for message in self._progress.new_messages():
            if not message.key.startswith(prefix):
                continue
            try:
                progress = Progress.FromString(message.value)
            except DecodeError:
                continue
            if progress.job_id == self.root.spec.job_id:
                self._note(message.offset, progress)
                seen.append(progress)
        return seen

    def starts(self, unit_id: str, digest: bytes) -> int:
        """Returns how often an open pair was started without an end and without being handed back."""
        return len(self._starts.get((unit_id, digest), ()))

    def progress_needed_from(self) -> int:
        """Returns the first place in `progress` that whoever starts anew has to read to count alike."""
        places = (place for attempts in self._starts.values() for place in attempts.values())
        return min(places, default=self._progress.position)

    def _note(self, offset: int, progress: Progress) -> None:
        pair = (progress.unit_id, progress.input_digest)
        if not self.walk.is_wanted(*pair):
            self._forget(pair)
            return
        if progress.started:
            self._starts.setdefault(pair, {}).setdefault(progress.attempt, offset)
        if progress.handed_back:
            self._starts.get(pair, {}).pop(progress.attempt, None)
            self.last_progress.pop(progress.unit_id, None)
        else:
            self.last_progress[progress.unit_id] = progress

    def forget_closed(self) -> None:
        """Drops signs of life of units that are closed or orphans, so that nothing grows with the job."""
        heard_of = {(progress.unit_id, progress.input_digest) for progress in self.last_progress.values()}
        for pair in heard_of | self._starts.keys():
            if not self.walk.is_wanted(*pair):
                self._forget(pair)

    def _forget(self, pair: tuple[str, bytes]) -> None:
        self._starts.pop(pair, None)
        last = self.last_progress.get(pair[0])
        if last is not None and last.input_digest == pair[1]:
            del self.last_progress[pair[0]]


@dataclass(slots=True)
class _Reader:
    bus: Bus
    source: TopicPartition
    position: int = field(default=0)

    def new_messages(self) -> Iterator[Message]:
        """Yields each new message once; one that was yielded counts as read."""
        while messages := self.bus.read(self.source, start=self.position, max_records=_BATCH):
            for message in messages:
                self.position = message.offset + 1
                yield message


def record_job(record: LedgerRecord) -> str:
    """Returns the job that a fact belongs to."""
    match record.WhichOneof("record"):
        case "done":
            return record.done.job_id
        case "failed":
            return record.failed.job_id
        case "cancel":
            return record.cancel.job_id
        case _:
            return ""
