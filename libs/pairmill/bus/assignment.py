"""Which member of a group owns which partitions: the range rule (U10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pairmill.bus.port import TopicPartition


def assign_ranges(
    members: Mapping[str, Sequence[str]], partitions: Mapping[str, int]
) -> dict[str, frozenset[TopicPartition]]:
    """Returns the partitions of each member: contiguous ranges per topic, in the order of names.

    `members` maps a member to its topics, `partitions` a topic to its number of partitions. Topics
    with equal numbers and the same members are cut alike, so that one member owns a host in every
    retry round.
    """
    owned: dict[str, set[TopicPartition]] = {member: set() for member in members}
    for topic, count in partitions.items():
        takers = sorted(member for member, topics in members.items() if topic in topics)
        for partition in range(count if takers else 0):
            taker = takers[partition * len(takers) // count]
            owned[taker].add(TopicPartition(topic, partition))
    return {member: frozenset(found) for member, found in owned.items()}
