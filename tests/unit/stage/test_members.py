"""Names of members sort by their number; the topics that they share out agree."""

from __future__ import annotations

import pytest

from pairmill.errors import ConfigurationError, RetriableError
from pairmill.stage.members import CommonPartitions, member_name
from tests.fakes.bus import MemoryBus


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("downloader-7", "downloader-0007"),
        ("pairmill-downloader-12", "pairmill-downloader-0012"),
        ("crawler-000", "crawler-0000"),
        ("3", "0003"),
        ("laptop", "laptop"),
        ("downloader-12345", "downloader-12345"),
    ],
)
def test_u10_a_number_at_the_end_is_padded(given: str, used: str) -> None:
    assert member_name(given) == used


def test_u10_ten_comes_after_nine() -> None:
    names = [member_name(f"downloader-{number}") for number in range(12)]
    assert names == sorted(names)


def test_u10_topics_that_are_partitioned_alike_have_a_common_number() -> None:
    bus, common = MemoryBus(), CommonPartitions(("first", "second"))
    bus.create_topic("first", 6)
    bus.create_topic("second", 6)
    bus.away = True
    with pytest.raises(RetriableError):
        common.learn(bus)
    assert common.count == 0
    bus.away = False
    common.learn(bus)
    assert common.count == 6


def test_u10_topics_that_disagree_are_named() -> None:
    bus = MemoryBus()
    bus.create_topic("first", 6)
    bus.create_topic("second", 4)
    with pytest.raises(ConfigurationError, match="first has 6, second has 4"):
        CommonPartitions(("first", "second")).learn(bus)
