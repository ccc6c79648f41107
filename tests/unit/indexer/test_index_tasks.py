"""What a task says, and what an error of its build means."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pairmill.bus.port import Message
from pairmill.errors import CutOffError, InvalidRecordError
from pairmill_index.options import BuildOptions
from pairmill_indexer.tasks import build_options, parse_task
from pairmill_indexer.verdicts import Fate, fate_of
from pairmill_protos.index.v1.index_pb2 import IndexOptions, IndexTask
from tests.fakes.indexing import TOPIC, index_task


def message(task: IndexTask) -> Message:
    value, now = task.SerializeToString(), datetime.now(UTC)
    return Message(topic=TOPIC, partition=0, offset=0, key=b"", value=value, appended_at=now)


def test_a_task_is_read_as_it_was_written() -> None:
    task = index_task("j1", "v7")
    assert parse_task(message(task)) == task


@pytest.mark.parametrize(
    "task",
    [
        index_task("../other"),
        index_task("/etc"),
        index_task(job=""),
        index_task(recall=1.5),
        index_task(recall=-0.1),
        IndexTask(job_id="j", dataset_version="v", options=IndexOptions(latency_ms=-1)),
    ],
)
def test_a6_a_task_that_nobody_can_do_is_refused(task: IndexTask) -> None:
    with pytest.raises(InvalidRecordError):
        parse_task(message(task))


def test_what_a_task_does_not_say_is_as_usual_and_memory_is_the_indexers() -> None:
    bare = IndexTask(job_id="j", dataset_version="v")
    assert build_options(bare, 7) == BuildOptions(memory_bytes=7)
    asked = IndexTask(options=IndexOptions(only_kept=True, min_recall=0.8, latency_ms=3))
    assert build_options(asked, 7) == BuildOptions(
        memory_bytes=7, only_kept=True, min_recall=0.8, latency_ms=3
    )


def test_a_stop_counts_against_nobody_and_a_bug_counts() -> None:
    assert fate_of(CutOffError("told to stop")) == (Fate.CUT_OFF, None)
    assert fate_of(ZeroDivisionError("bug")) == (Fate.AGAIN, None)
