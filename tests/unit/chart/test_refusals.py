"""Values that cannot work are refused before anything is installed, by a message that names them."""

from __future__ import annotations

from typing import Final

import pytest

from tests.unit.chart.rendering import CHART, load_file, refusal, rendered

MUST_BE_SET: Final = (
    "kafka.bootstrapServers",
    "store.url",
    "store.endpoint",
    "store.existingSecret",
    "auth.existingSecret",
    "tls.existingSecret",
    "bundles.source",
    "triton.target",
    "networkPolicy.kafkaTo",
    "networkPolicy.storeTo",
)


def test_what_must_be_set_is_said_all_at_once() -> None:
    said = refusal("")
    assert [name for name in MUST_BE_SET if f"{name}: is not set" not in said] == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("kafka.bootstrapServer=a:1", "bootstrapServer"),
        ("components.crawlr.replicas=1", "crawlr"),
        ("components.crawler.replica=1", "replica"),
        ("componentDefaults.scratch.sise=1Gi", "sise"),
        ("networkPolicy.privateRange=x", "privateRange"),
        ("demo.candidate=3", "candidate"),
        ("triton.serving.maxBatches=3", "maxBatches"),
        ("image.digests.crawlr=", "crawlr"),
    ],
)
def test_a_misspelt_value_is_refused_by_its_name(change: str, named: str) -> None:
    assert f"'{named}'" in refusal("minimal", change)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("components.crawler.replicas=two", "/components/crawler/replicas"),
        ("kafka.tls.enabled=perhaps", "/kafka/tls/enabled"),
        ("kafka.sasl.mechanism=gssapi", "/kafka/sasl/mechanism"),
        ("kafka.bootstrapServers=kafka", "/kafka/bootstrapServers"),
        ("store.url=https://bucket", "/store/url"),
        ("store.endpoint=s3.example.org", "/store/endpoint"),
        ("bundles.digest=abc", "/bundles/digest"),
        ("components.gateway.stopSeconds=0", "/components/gateway/stopSeconds"),
        ("components.scorer.autoscaling.minReplicas=0", "/components/scorer/autoscaling/minReplicas"),
        ("components.scorer.scratch.size=much", "/components/scorer/scratch/size"),
        ("store.existingSecret=Not A Name", "/store/existingSecret"),
        ("triton.runAsUser=0", "/triton/runAsUser"),
        ("networkPolicy.privateRanges[0]=ten", "/networkPolicy/privateRanges/0"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_its_place(change: str, place: str) -> None:
    assert f"'{place}'" in refusal("minimal", change)


@pytest.mark.parametrize(
    "changes",
    [
        {
            "store.existingSecret=": "store.existingSecret: is not set",
            "kafka.sasl.mechanism=plain": "kafka.sasl.existingSecret: is not set; name the secret",
            "kafka.sasl.username=": "kafka.sasl.username: is not set",
            "tls.existingSecret=": "",
            "tls.certManager.enabled=true": "tls.certManager.issuerRef.name: is not set",
            "bundles.source=store": "bundles.url: is not set",
            "bundles.name=": "bundles.name: is not set",
            "embedding.mode=triton": "triton.target: is not set",
            "explorer.behindProxy=true": "networkPolicy.proxyFrom: is not set",
            "gatewayTarget=other:7600": "networkPolicy.gatewayTo: is not set",
            "topics.mode=strimzi": "topics.strimzi.cluster: is not set",
        },
        {
            "bundles.source=existingClaim": "bundles.existingClaim.name: is not set",
            "bundles.name=b": "",
            "triton.enabled=true": "triton.enabled: nobody would ask it",
            "components.inference.autoscaling.mode=keda": "bundles.digest: is not set; the consumer group",
            "components.gateway.autoscaling.mode=keda": "the gateway reads no topic of tasks",
            "components.crawler.autoscaling.mode=keda": "64 is more than topics.partitions, 48",
            "components.crawler.autoscaling.maxReplicas=64": "",
            "components.planner.autoscaling.mode=hpa": "8 is less than minReplicas, 9",
            "components.planner.autoscaling.minReplicas=9": "",
        },
        {
            "bundles.source=image": "bundles.image.reference: is not set",
            "components.crawler.env.PAIRMILL_STAL_SECONDS=3": "PAIRMILL_STAL_SECONDS is no variable of the",
            "components.crawler.env.PAIRMILL_STOP_SECONDS=3": "PAIRMILL_STOP_SECONDS follows from other",
            "components.crawler.env.PAIRMILL_MEMBER=me": "PAIRMILL_MEMBER follows from other values",
            "components.gateway.env.PAIRMILL_RPC__DRAIN_SECONDS=600": "RPC__DRAIN_SECONDS follows from other",
            "componentDefaults.env.PAIRMILL_HTTP__LISTEN=a:1": "PAIRMILL_HTTP__LISTEN follows from other",
            "componentDefaults.env.PAIRMILL_UNITS_IN_FLIGHT=3": "PAIRMILL_UNITS_IN_FLIGHT is no variable of",
        },
    ],
    ids=["parts", "scaling", "variables"],
)
def test_what_lacks_or_does_not_go_together_is_refused_all_at_once(changes: dict[str, str]) -> None:
    said = refusal("minimal", *changes)
    assert [expected for expected in changes.values() if expected not in said] == []


def test_variables_that_are_not_ours_are_handed_on() -> None:
    assert rendered("minimal", "componentDefaults.env.HTTPS_PROXY=http://proxy:3128")


def test_what_must_be_set_stands_in_no_default() -> None:
    values = load_file(CHART / "values.yaml")
    for name in MUST_BE_SET:
        found = values
        for part in name.split("."):
            found = found[part]
        assert not found, name
