"""The specs of the jobs at hand, and when a task of a job is due."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from pairmill.bus.port import Message
from pairmill.store.port import ObjectStore
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage, UnitTask

_SPECS_KEPT = 32


class SpecCache:
    """Reads each job's spec from the store once, verified by the digest that its tasks carry."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._specs: OrderedDict[bytes, JobSpec] = OrderedDict()

    def get(self, ref: ObjectRef) -> JobSpec:
        """Returns a job's spec; raises what the store raises."""
        if ref.sha256 not in self._specs:
            self._specs[ref.sha256] = JobSpec.FromString(self._store.get(ref.key, sha256=ref.sha256))
            while len(self._specs) > _SPECS_KEPT:
                self._specs.popitem(last=False)
        self._specs.move_to_end(ref.sha256)
        return self._specs[ref.sha256]


def due_at(message: Message, task: UnitTask, spec: JobSpec) -> datetime:
    """Returns when a task may start: a retry round waits from the broker's append time (U9)."""
    if task.stage != Stage.STAGE_DOWNLOAD or not task.input.download.waits:
        return message.appended_at
    delays = spec.download.retry_delay_seconds
    round_index = min(task.input.download.retry_round, len(delays)) - 1
    return message.appended_at + timedelta(seconds=delays[round_index] if delays else 0.0)
