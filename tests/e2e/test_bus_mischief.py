"""Queues that were tampered with while a run lay still: it goes on to the same dataset (A6, A10, A14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from pairmill.bus.port import Message, Outgoing, TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.groups import stage_group
from pairmill.units import STAGE_TOPICS
from pairmill_models.bundle import load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import (
    CANDIDATES,
    Served,
    assert_same_dataset,
    end_of,
    kill_whole,
    started,
    wait_for_candidates,
)

_STAGES: Final = (
    Stage.STAGE_CRAWL,
    Stage.STAGE_PLAN,
    Stage.STAGE_DOWNLOAD,
    Stage.STAGE_EMBED,
    Stage.STAGE_SCORE,
    Stage.STAGE_FINALISE,
)


def _forget_groups(bus: SqliteBus) -> None:
    digest = load_bundle(bundle_path()).digest
    for stage in _STAGES:
        bus.delete_group(stage_group(stage, bundle_digest=digest))


def _skip_to_the_end(bus: SqliteBus) -> None:
    digest = load_bundle(bundle_path()).digest
    for stage in _STAGES:
        for topic in STAGE_TOPICS[stage]:
            bus.reset_offsets(stage_group(stage, bundle_digest=digest), topic, to_end=True)


def _publish_everything_five_times_backwards(bus: SqliteBus) -> None:
    for source, messages in _work(bus):
        again = [
            Outgoing(
                topic=source.topic,
                partition=source.partition,
                key=message.key,
                value=message.value,
                headers=message.headers,
            )
            for message in reversed(messages)
        ]
        for _ in range(5):
            bus.publish(again)


def _publish_garbage(bus: SqliteBus) -> None:
    for source, messages in _work(bus):
        cut = [message.value[: len(message.value) // 2] for message in messages[:1]]
        bus.publish(
            [
                Outgoing(topic=source.topic, partition=source.partition, key=b"garbage", value=value)
                for value in (b"", b"\xff" * 100, b"no protobuf at all", *cut)
            ]
        )


def _work(bus: SqliteBus) -> Iterator[tuple[TopicPartition, list[Message]]]:
    for stage in _STAGES:
        for topic in STAGE_TOPICS[stage]:
            for partition in range(bus.partitions(topic)):
                source = TopicPartition(topic, partition)
                yield source, list(bus.read(source, start=0, max_records=10_000))


@pytest.mark.faults
@pytest.mark.parametrize(
    "mischief",
    [
        pytest.param([_publish_garbage, _publish_everything_five_times_backwards], id="a6-a10"),
        pytest.param([_forget_groups], id="a14-groups-forgotten", marks=pytest.mark.long),
        pytest.param([_skip_to_the_end], id="a14-offsets-at-the-end", marks=pytest.mark.long),
    ],
)
def test_what_is_done_to_the_queues_changes_nothing(
    mischief: list[Callable[[SqliteBus], None]], served: Served, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    order = served.order(tmp_path / "out")
    with started(order) as process:
        wait_for_candidates(process, tmp_path / "out", CANDIDATES // 4)
        kill_whole(process)
    with SqliteBus(tmp_path / "out" / ".pairmill" / "bus.db") as bus:
        for done in mischief:
            done(bus)
    with started(order) as process:
        assert end_of(process)["state"] == "incomplete"  # one WAT of the world ends early
    assert_same_dataset(undisturbed.out, tmp_path / "out")
