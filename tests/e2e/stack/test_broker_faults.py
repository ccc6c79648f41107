"""A broker that dies or stands still, topics and groups that were meddled with (A6, A9, A10, A12 to A14)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from pairmill.bus.kafka import KafkaBus
from pairmill.bus.port import Message, Outgoing, TopicPartition
from pairmill.bus.settings import KafkaConfig
from pairmill.groups import stage_group
from pairmill.units import DEAD_LETTERS_TOPIC, STAGE_TOPICS
from pairmill_models.bundle import load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import CANDIDATES
from tests.e2e.stack.faults import FaultTable
from tests.e2e.stack.oracles import assert_same_dataset, assert_undisturbed
from tests.e2e.stack.rig import PARTITIONS, Rig
from tests.fakes.processes import wait_until

_AWAY_SECONDS: Final = 20.0
_STAGES: Final = tuple(stage for stage in STAGE_TOPICS if stage != Stage.STAGE_INDEX)
_TOPICS: Final = tuple(topic for stage in _STAGES for topic in STAGE_TOPICS[stage])
_GARBAGE: Final = (b"", b"\xff" * 100, b"no protobuf at all")
pytestmark = pytest.mark.faults

Mischief = Callable[[Rig, KafkaBus], None]


@pytest.fixture
def bus(rig: Rig) -> Iterator[KafkaBus]:
    with KafkaBus((rig.stack.kafka.address,), KafkaConfig()) as opened:
        yield opened


def test_a12_broker_killed_in_mid_run(rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable) -> None:
    def disturb() -> None:
        rig.stack.kafka.kill()
        rig.rest(_AWAY_SECONDS)
        rig.stack.kafka.start()

    assert_undisturbed(rig, undisturbed.out, "broker-killed", disturb)
    fault_table.add(
        "A12,A9",
        injected=f"SIGKILL of the broker, back after {_AWAY_SECONDS:g} s",
        seen="services waited, not ready, and went on",
    )


def test_a12_broker_that_stands_still(rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable) -> None:
    def disturb() -> None:
        rig.stack.kafka.pause()
        rig.rest(_AWAY_SECONDS)
        rig.stack.kafka.resume()

    assert_undisturbed(rig, undisturbed.out, "broker-paused", disturb)
    fault_table.add(
        "A12", injected=f"SIGSTOP of the broker for {_AWAY_SECONDS:g} s", seen="services waited and went on"
    )


def publish_garbage(rig: Rig, bus: KafkaBus) -> None:
    """Puts what is no task, and halves of tasks, onto every work topic."""
    for source, messages in _work(bus):
        halves = [message.value[: len(message.value) // 2] for message in messages[:1]]
        bus.publish([_outgoing(source, b"garbage", value) for value in (*_GARBAGE, *halves)])


def publish_all_five_times_backwards(rig: Rig, bus: KafkaBus) -> None:
    """Delivers every task again, many times and out of order."""
    for source, messages in _work(bus):
        again = [_outgoing(source, message.key, message.value, message) for message in reversed(messages)]
        for _ in range(5):
            bus.publish(again)


def trim_all(rig: Rig, bus: KafkaBus) -> None:
    """Deletes all tasks, read or not."""
    for topic in _TOPICS:
        for partition in range(bus.partitions(topic)):
            source = TopicPartition(topic, partition)
            rig.admin.trim(source, bus.end_offset(source))


def make_topics_anew(rig: Rig, bus: KafkaBus) -> None:
    """Deletes all work topics with what they hold, and makes them again."""
    for topic in _TOPICS:
        rig.admin.delete_topic(topic)
        rig.admin.create_topic(topic, PARTITIONS)


def forget_groups(rig: Rig, bus: KafkaBus) -> None:
    """Deletes the groups' offsets: all is read from the start."""
    _with_stages_down(rig, rig.admin.delete_group)


def set_offsets_to_the_end(rig: Rig, bus: KafkaBus) -> None:
    """Skips all that is not read yet."""
    _with_stages_down(rig, lambda group: _reset(rig, group, to_end=True))


def set_offsets_to_the_start(rig: Rig, bus: KafkaBus) -> None:
    """Has all read again."""
    _with_stages_down(rig, lambda group: _reset(rig, group, to_end=False))


@pytest.mark.parametrize(
    ("faults", "mischief", "seen"),
    [
        pytest.param("A6", publish_garbage, "each became a dead letter", id="a6"),
        pytest.param("A10", publish_all_five_times_backwards, "repeated work counted once", id="a10"),
        pytest.param("A13", trim_all, "the gateway handed open units out again", id="a13-gone"),
        pytest.param("A13", make_topics_anew, "the gateway handed open units out again", id="a13-anew"),
        pytest.param("A14", forget_groups, "repeated work counted once", id="a14-forgotten"),
        pytest.param("A14", set_offsets_to_the_end, "what was skipped was handed out again", id="a14-end"),
        pytest.param(
            "A14",
            set_offsets_to_the_start,
            "repeated work counted once",
            id="a14-start",
            marks=pytest.mark.long,
        ),
    ],
)
def test_what_is_done_to_topics_and_groups_changes_nothing(
    faults: str,
    mischief: Mischief,
    seen: str,
    rig: Rig,
    bus: KafkaBus,
    undisturbed: Undisturbed,
    fault_table: FaultTable,
) -> None:
    assert_undisturbed(rig, undisturbed.out, mischief.__name__, lambda: mischief(rig, bus))
    fault_table.add(faults, injected=mischief.__name__.replace("_", " ") + " in mid-run", seen=seen)


def test_a9_what_cannot_be_set_aside_is_not_passed_over(
    rig: Rig, bus: KafkaBus, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """Garbage while there is no topic for dead letters: no offset is committed past it."""
    job = rig.submit("letters-away")
    rig.wait_for_candidates(job, CANDIDATES // 8)
    topic = STAGE_TOPICS[Stage.STAGE_SCORE][0]
    group = _group(Stage.STAGE_SCORE)
    rig.admin.delete_topic(DEAD_LETTERS_TOPIC)
    try:
        sources = [TopicPartition(topic, partition) for partition in range(bus.partitions(topic))]
        bus.publish([_outgoing(source, b"garbage", b"no protobuf at all") for source in sources])
        places = {source: _place_of_garbage(bus, source) for source in sources}
        rig.rest(_AWAY_SECONDS / 2)
        assert all((bus.committed(group, source) or 0) <= place for source, place in places.items())
    finally:
        rig.admin.create_topic(DEAD_LETTERS_TOPIC, 1)
    rig.wait_end(job)
    wait_until(lambda: len(_letters(bus)) >= len(sources), 60)
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "A9",
        injected="the topic of dead letters deleted, and garbage published",
        seen="nothing was committed past it until the topic was back",
    )


def _place_of_garbage(bus: KafkaBus, source: TopicPartition) -> int:
    messages = bus.read(source, start=0, max_records=10_000)
    return next(message.offset for message in reversed(messages) if message.key == b"garbage")


def _letters(bus: KafkaBus) -> list[Message]:
    return list(bus.read(TopicPartition(DEAD_LETTERS_TOPIC, 0), start=0, max_records=1000))


def _work(bus: KafkaBus) -> Iterator[tuple[TopicPartition, list[Message]]]:
    for topic in _TOPICS:
        for partition in range(bus.partitions(topic)):
            source = TopicPartition(topic, partition)
            yield source, list(bus.read(source, start=0, max_records=10_000))


def _outgoing(source: TopicPartition, key: bytes, value: bytes, like: Message | None = None) -> Outgoing:
    headers = like.headers if like is not None else ()
    return Outgoing(topic=source.topic, partition=source.partition, key=key, value=value, headers=headers)


def _group(stage: Stage.ValueType) -> str:
    return stage_group(stage, bundle_digest=load_bundle(bundle_path()).digest)


def _reset(rig: Rig, group: str, *, to_end: bool) -> None:
    for stage in _STAGES:
        if _group(stage) == group:
            for topic in STAGE_TOPICS[stage]:
                rig.admin.reset_offsets(group, topic, to_end=to_end)


def _with_stages_down(rig: Rig, act: Callable[[str], object]) -> None:
    """A broker lets nobody touch the offsets of a group that has members."""
    stages = [process for process in rig.stack.services.values() if process.service != "gateway"]
    with rig.held(*stages):
        for process in stages:
            process.kill()
        rig.rest(8.0)  # until the broker gives the dead members up
        for stage in _STAGES:
            act(_group(stage))
