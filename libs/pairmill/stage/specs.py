"""The specs of the jobs at hand, and when a task of a job is due."""

from __future__ import annotations

from collections import OrderedDict

from google.protobuf.message import DecodeError

from pairmill.errors import InvalidRecordError
from pairmill.stage.datasets import dataset_store
from pairmill.store.port import ObjectStore
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage, UnitTask

_SPECS_KEPT = 32


class SpecCache:
    """Reads each job's spec from the store once, verified by the digest that its tasks carry."""

    def __init__(self, store: ObjectStore) -> None:
        """`store` holds the datasets of all jobs."""
        self._store = store
        self._specs: OrderedDict[bytes, JobSpec] = OrderedDict()

    def get(self, ref: ObjectRef, dataset: str = "") -> JobSpec:
        """Returns a job's spec; raises what the store raises, InvalidRecordError where it holds none."""
        if ref.sha256 not in self._specs:
            data = dataset_store(self._store, dataset).get(ref.key, sha256=ref.sha256)
            try:
                self._specs[ref.sha256] = JobSpec.FromString(data)
            except DecodeError as error:
                raise InvalidRecordError(f"object {ref.key} is no spec of a job: {error}") from error
            while len(self._specs) > _SPECS_KEPT:
                self._specs.popitem(last=False)
        self._specs.move_to_end(ref.sha256)
        return self._specs[ref.sha256]


def waiting_seconds(task: UnitTask, spec: JobSpec) -> float:
    """Returns for how long a task waits from the broker's append time: the delay of its round (U9)."""
    if task.stage != Stage.STAGE_DOWNLOAD or not task.input.download.waits:
        return 0.0
    delays = spec.download.retry_delay_seconds
    return delays[min(task.input.download.retry_round, len(delays)) - 1] if delays else 0.0
