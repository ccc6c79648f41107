"""The range rule (U10)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pairmill.bus.assignment import assign_ranges
from pairmill.bus.port import TopicPartition

TOPICS = ("download-tasks", "download-retry-1")
MEMBERS = st.sets(st.text("abc019", min_size=1, max_size=3), min_size=1, max_size=9)


@given(names=MEMBERS, partitions=st.integers(1, 40))
def test_u10_every_partition_has_one_owner_and_topics_of_equal_size_are_cut_alike(
    names: set[str], partitions: int
) -> None:
    owned = assign_ranges(dict.fromkeys(names, TOPICS), dict.fromkeys(TOPICS, partitions))
    found = sorted(source for sources in owned.values() for source in sources)
    assert found == sorted(TopicPartition(topic, part) for topic in TOPICS for part in range(partitions))
    for sources in owned.values():
        first, second = ({each.partition for each in sources if each.topic == topic} for topic in TOPICS)
        assert first == second
        assert not first or first == set(range(min(first), max(first) + 1))
    sizes = [len(sources) for sources in owned.values()]
    assert max(sizes) - min(sizes) <= len(TOPICS)


def test_only_members_that_want_a_topic_get_its_partitions() -> None:
    owned = assign_ranges({"a": ["x"], "b": ["y"]}, {"x": 2, "y": 1, "z": 3})
    assert owned == {
        "a": {TopicPartition("x", 0), TopicPartition("x", 1)},
        "b": {TopicPartition("y", 0)},
    }
