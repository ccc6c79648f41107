"""From the lag of a topic to the number of members: what a rendered ScaledObject leads to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pairmill.units import STAGE_TOPICS
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.unit.chart.autoscaling import Autoscaler, divisors
from tests.unit.chart.rendering import component_of, of_kind, only, pods, rendered

PARTITIONS = 96  # of the example
SCALED = ("crawler", "planner", "downloader", "inference", "scorer", "finaliser")


def autoscaler(component: str = "crawler", members: int = 1) -> Autoscaler:
    return Autoscaler.of(only(rendered("production"), "ScaledObject", component), members)


def spread(total: int, partitions: int = PARTITIONS) -> list[int]:
    """Returns a lag that is shared out as evenly as can be."""
    return [total // partitions + (part < total % partitions) for part in range(partitions)]


def test_each_stage_is_scaled_by_the_topic_it_works_on_and_no_retry_round() -> None:
    work = {topics[0] for topics in STAGE_TOPICS.values()}
    waiting = {topic for topics in STAGE_TOPICS.values() for topic in topics[1:]}
    triggers = [
        trigger["metadata"]
        for each in of_kind(rendered("production"), "ScaledObject")
        if component_of(each) in SCALED
        for trigger in each["spec"]["triggers"]
    ]
    assert len(triggers) == len(SCALED)
    assert {trigger["topic"] for trigger in triggers} <= work
    assert waiting
    assert not {trigger["topic"] for trigger in triggers} & waiting
    assert {trigger["offsetResetPolicy"] for trigger in triggers} == {"earliest"}


def test_groups_are_those_that_members_join() -> None:
    groups = {
        component_of(each): each["spec"]["triggers"][0]["metadata"]["consumerGroup"]
        for each in of_kind(rendered("production"), "ScaledObject")
        if component_of(each) in SCALED
    }
    assert groups == {
        "crawler": "crawl-1",
        "planner": "plan-1",
        "downloader": "download-1",
        "inference": "embed-3f7c0e5a9b1d",
        "scorer": "score-3f7c0e5a9b1d",
        "finaliser": "finalise-1",
    }


def test_what_is_scaled_is_there() -> None:
    objects = rendered("production")
    there = {(pod.owner["kind"], pod.owner["metadata"]["name"]) for pod in pods(objects)}
    for each in of_kind(objects, "ScaledObject", "HorizontalPodAutoscaler"):
        target = each["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in there


def test_keda_is_told_secrets_by_name_alone() -> None:
    objects = rendered("production")
    authentication = only(objects, "TriggerAuthentication", "kafka")
    told = {entry["parameter"]: entry["name"] for entry in authentication["spec"]["secretTargetRef"]}
    assert told == {"username": "pairmill-kafka", "password": "pairmill-kafka"}
    trigger = only(objects, "ScaledObject", "crawler")["spec"]["triggers"][0]
    assert trigger["authenticationRef"] == {"name": authentication["metadata"]["name"]}
    assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("scram_sha512", "enable")
    plain = rendered("minimal", "components.crawler.autoscaling.mode=keda")
    assert of_kind(plain, "TriggerAuthentication") == []


@pytest.mark.parametrize(
    ("lag", "members"),
    [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (9, 6), (30, 16), (48, 24), (9999, 24)],
)
def test_members_follow_the_lag_by_numbers_that_share_the_partitions_evenly(lag: int, members: int) -> None:
    assert autoscaler().wanted(spread(lag)) == members
    assert members in divisors(PARTITIONS)


def test_no_lag_never_asks_for_nobody() -> None:
    for component in SCALED:
        scaled = autoscaler(component)
        assert scaled.wanted([0] * PARTITIONS) == scaled.least >= 1


def test_members_are_never_more_than_partitions() -> None:
    scaled = autoscaler()
    scaled.most = 10_000
    assert scaled.wanted([10**6] * PARTITIONS) == PARTITIONS


def test_without_even_shares_every_number_is_used() -> None:
    objects = rendered("production", "components.crawler.autoscaling.evenPartitions=false")
    scaled = Autoscaler.of(only(objects, "ScaledObject", "crawler"))
    assert [scaled.wanted(spread(lag)) for lag in (0, 9, 10, 11, 47)] == [1, 5, 5, 6, 24]


def test_a_wave_takes_members_up_at_once_and_they_go_slowly() -> None:
    scaled = autoscaler(members=1)
    assert scaled.look(0, spread(256)) == 24
    after = {now: scaled.look(now, spread(0)) for now in range(15, 3600, 15)}
    assert after[600] == 24  # the next wave may come
    assert after[615] == 12  # then by half in five minutes
    assert after[900] == 12
    assert after[915] == 6
    assert after[3585] == 1


def test_a_pause_between_two_waves_moves_no_partitions() -> None:
    scaled = autoscaler(members=1)
    lags = [spread(40), spread(20), spread(2), spread(0), spread(0), spread(35), spread(40)]
    seen = [scaled.look(60 * minute, lag) for minute, lag in enumerate(lags)]
    assert seen == [24] * 7


RECORDED: dict[str, list[list[int]]] = json.loads((Path(__file__).parent / "recorded_lags.json").read_text())[
    "lags"
]


def _decisions(component: str) -> list[int]:
    """Returns the members after each look at the recorded lag of a component's topic, beginning with one."""
    objects = rendered("minimal", "componentDefaults.autoscaling.mode=keda", *_NOT_SCALED)
    scaled = only(objects, "ScaledObject", component)
    topic = scaled["spec"]["triggers"][0]["metadata"]["topic"]
    decider = Autoscaler.of(scaled)
    return [decider.look(15 * number, lags) for number, lags in enumerate(RECORDED[topic])]


_NOT_SCALED = (
    "components.gateway.autoscaling.mode=none",
    "components.explorer.autoscaling.mode=none",
    f"bundles.digest={'0' * 64}",
)


def test_of_recorded_lags_members_follow() -> None:
    assert _decisions("crawler") == [1, 1, 2, 2, *[2] * 8]  # 2, then 4 WATs wait
    assert _decisions("downloader") == [1] * 5 + [4] * 7  # 8 units wait
    assert _decisions("inference") == [1] * 6 + [4] * 6  # 6 shards: 3 would do, 4 share 8 partitions evenly
    assert _decisions("finaliser") == [1] * 12


def test_of_recorded_lags_retry_rounds_ask_for_nobody() -> None:
    work, *rounds = STAGE_TOPICS[Stage.STAGE_DOWNLOAD]
    waited = [
        lags
        for number, lags in enumerate(RECORDED[work])
        if not sum(lags) and any(sum(RECORDED[topic][number]) for topic in rounds)
    ]
    assert waited  # nothing to do, but units in a retry round
    decider = autoscaler("downloader")
    assert {decider.wanted(lags) for lags in waited} == {decider.least}
