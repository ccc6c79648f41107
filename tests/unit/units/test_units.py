"""Ids of units, their routes and the names of their objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmill.ids import BUCKETS
from pairmill.units import (
    MAX_INLINE_REFERENCES,
    first_bucket_of_range,
    input_digest,
    key_partition,
    new_attempt,
    object_key,
    range_of_bucket,
    reference_list,
    stage_of,
    task_partition,
    task_topic,
)
from pairmill_protos.unit.v1.unit_pb2 import (
    CrawlInput,
    DownloadInput,
    ObjectRef,
    PlanInput,
    References,
    Stage,
    UnitInput,
    UnitTask,
)


def test_u3_the_digest_names_the_input() -> None:
    one, other = (UnitInput(crawl=CrawlInput(wat=f"/{name}")) for name in "ab")
    assert input_digest(one) == input_digest(UnitInput.FromString(one.SerializeToString()))
    assert input_digest(one) != input_digest(other)
    assert len(input_digest(one)) == 16


def test_u2_the_input_tells_the_stage() -> None:
    assert stage_of(UnitInput(crawl=CrawlInput())) == Stage.STAGE_CRAWL
    with pytest.raises(ValueError, match="no input"):
        stage_of(UnitInput())


@pytest.mark.parametrize(
    ("waits", "round_number", "topic"),
    [(False, 0, "download-tasks"), (False, 2, "download-tasks"), (True, 1, "download-retry-1"),
     (True, 3, "download-retry-3")],
)  # fmt: skip
def test_u9_only_what_waits_stands_on_the_topic_of_its_round(
    waits: bool, round_number: int, topic: str
) -> None:
    task = UnitTask(
        stage=Stage.STAGE_DOWNLOAD,
        input=UnitInput(download=DownloadInput(waits=waits, retry_round=round_number)),
    )
    assert task_topic(task) == topic


@given(ranges=st.integers(1, BUCKETS))
def test_u6_every_bucket_lies_in_the_range_that_begins_at_or_below_it(ranges: int) -> None:
    starts = [first_bucket_of_range(index, ranges) for index in range(ranges)]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    for index, start in enumerate(starts):
        assert range_of_bucket(start, ranges) == index
        assert start == 0 or range_of_bucket(start - 1, ranges) == index - 1
    assert range_of_bucket(BUCKETS - 1, ranges) == ranges - 1


@given(bucket=st.integers(0, BUCKETS - 1), partitions=st.integers(1, 200), ranges=st.integers(1, 64))
def test_u6_u10_a_host_has_one_partition_in_every_round(bucket: int, partitions: int, ranges: int) -> None:
    found = set()
    for round_number in range(4):
        download = DownloadInput(first_bucket=bucket, retry_round=round_number, waits=round_number > 0)
        task = UnitTask(stage=Stage.STAGE_DOWNLOAD, input=UnitInput(download=download))
        found.add(task_partition(task, partitions, ranges))
    (partition,) = found
    assert 0 <= partition < partitions


def test_plan_units_spread_over_the_partitions() -> None:
    tasks = [
        UnitTask(stage=Stage.STAGE_PLAN, input=UnitInput(plan=PlanInput(range=index))) for index in range(8)
    ]
    assert [task_partition(task, 4, 8) for task in tasks] == [0, 0, 1, 1, 2, 2, 3, 3]


def test_keys_spread_over_the_partitions_and_stay_there() -> None:
    found = [key_partition(f"unit-{number}".encode(), 8) for number in range(800)]
    assert all(60 < found.count(partition) < 140 for partition in range(8))
    assert key_partition(b"job/w0000/c000000", 4) == key_partition(b"job/w0000/c000000", 4)


def test_u4_an_object_is_named_by_unit_and_attempt() -> None:
    attempt = new_attempt()
    assert len(attempt) == 8
    assert int(attempt, 16) >= 0
    key = object_key("shards", "job/w0001/r0002/d00003.r1", "0a1b2c3d", ".tar")
    assert key == "shards/job.w0001.r0002.d00003.r1-0a1b2c3d.tar"


@pytest.mark.parametrize("count", [0, MAX_INLINE_REFERENCES, MAX_INLINE_REFERENCES + 1, 5000])
def test_a11_u19_a_record_does_not_grow_with_its_lists(count: int) -> None:
    items = [ObjectRef(key=f"shards/{number}", sha256=bytes(32)) for number in range(count)]
    listed, objects = reference_list(items, "job")
    assert listed.ByteSize() < 8000
    if count > MAX_INLINE_REFERENCES:
        assert list(References.FromString(objects[listed.listed.key]).inline) == items
        assert reference_list(items, "job") == (listed, objects), "a function of the references"
    else:
        assert list(listed.inline) == items
        assert objects == {}
