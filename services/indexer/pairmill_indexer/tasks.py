"""Tasks as messages: what a dataset's index is asked for."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import DecodeError

from pairmill.bus.port import Message
from pairmill.errors import InvalidRecordError
from pairmill.stage.datasets import check_dataset
from pairmill_index.options import BuildOptions
from pairmill_protos.index.v1.index_pb2 import IndexTask

GROUP: Final = "index"
"""Consumer group of all indexers: every one can build every index."""


def parse_task(message: Message) -> IndexTask:
    """Returns the task in a message; raises InvalidRecordError with what is wrong with it."""
    try:
        task = IndexTask.FromString(message.value)
        check_dataset(task.dataset)
    except (DecodeError, ValueError) as error:
        raise InvalidRecordError(f"the record is no index task: {error}") from error
    if not task.job_id or not task.dataset_version:
        raise InvalidRecordError("the task names no version of a job's dataset")
    if not 0 <= task.options.min_recall <= 1 or task.options.latency_ms < 0:
        raise InvalidRecordError(f"no index can be like that: {task.options}")
    return task


def build_options(task: IndexTask, memory_bytes: int) -> BuildOptions:
    """Returns what a build has to keep to; what the task does not say is as `pairmill index build` has it."""
    usual = BuildOptions()
    return BuildOptions(
        memory_bytes=memory_bytes,
        latency_ms=task.options.latency_ms or usual.latency_ms,
        min_recall=task.options.min_recall or usual.min_recall,
        only_kept=task.options.only_kept,
    )
