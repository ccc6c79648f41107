"""Who may speak to whom, as the policies say; whether a cluster keeps them is the cluster's matter."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from pairmill_standalone.docs.settings import SERVICES
from tests.unit.chart.rendering import (
    CHART,
    DEMO,
    EXAMPLES,
    Object,
    component_of,
    load_file,
    of_kind,
    only,
    pods,
    rendered,
)

FACTS: Final[dict[str, Any]] = load_file(CHART / "files" / "components.yaml")["components"]
OUTSIDE: Final = {name for name, facts in FACTS.items() if facts.get("outside")}
NOT_FOR_DOWNLOADERS: Final = (
    "10.1.2.3",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "fd00::1",
    "fe80::1",
    "ff02::1",
    "64:ff9b::a00:1",
)
PUBLIC: Final = ("1.1.1.1", "172.32.0.1", "11.0.0.1", "2606:4700::1111")


def _blocks(policy: Object) -> Iterator[Mapping[str, Any]]:
    for rule in policy["spec"]["egress"]:
        yield from (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer)


def _lets_out(policy: Object, address: str) -> bool:
    at = ipaddress.ip_address(address)
    return any(
        at in ipaddress.ip_network(block["cidr"])
        and not any(at in ipaddress.ip_network(inner) for inner in block.get("except", ()))
        for block in _blocks(policy)
    )


def _called(policy: Object) -> set[str]:
    """Returns the components of this release that a policy lets its pods call."""
    return {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in policy["spec"]["egress"]
        for peer in rule["to"]
        if "podSelector" in peer and "namespaceSelector" not in peer
    }


def _chosen(policy: Object) -> Mapping[str, str]:
    found: Mapping[str, str] = policy["spec"]["podSelector"]["matchLabels"]
    return found


@pytest.mark.parametrize("example", [*EXAMPLES, DEMO])
def test_every_pod_has_a_policy_of_its_own_for_both_directions(example: str) -> None:
    objects = rendered(example)
    policies = of_kind(objects, "NetworkPolicy")
    for pod in pods(objects):
        labels = pod.metadata["labels"]
        own = [
            policy
            for policy in policies
            if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        ]
        assert own, pod.name
        assert {kind for policy in own for kind in policy["spec"]["policyTypes"]} == {"Ingress", "Egress"}, (
            pod.name
        )


@pytest.mark.parametrize("service", sorted(OUTSIDE))
@pytest.mark.parametrize("example", ["production", "minimal", DEMO])
def test_who_fetches_reaches_public_addresses_and_no_private_ones(example: str, service: str) -> None:
    policy = only(rendered(example), "NetworkPolicy", service)
    for address in PUBLIC:
        assert _lets_out(policy, address), address
    own = {"10.20.0.0/24", "10.30.0.0/28"}  # Kafka and the bucket of that example
    assert own >= {block["cidr"] for block in _blocks(policy)} - {"0.0.0.0/0", "::/0"}
    for address in NOT_FOR_DOWNLOADERS:
        assert not _lets_out(policy, address), address


def test_nobody_else_reaches_anything_but_what_it_works_with() -> None:
    objects = rendered("production")
    for service in set(SERVICES) - OUTSIDE:
        policy = only(objects, "NetworkPolicy", service)
        assert not any(_lets_out(policy, address) for address in (*PUBLIC, *NOT_FOR_DOWNLOADERS)), service


def test_services_call_the_gateway_or_nobody() -> None:
    objects = rendered("production")
    called = {service: _called(only(objects, "NetworkPolicy", service)) for service in SERVICES}
    for service, found in called.items():
        expected = {"gateway"} if FACTS[service].get("asks") else set()
        assert found == expected | ({"triton"} if service == "inference" else set()), service


def test_the_explorer_needs_no_kafka_and_policies_say_so() -> None:
    ports = [
        port["port"]
        for rule in only(rendered("production"), "NetworkPolicy", "explorer")["spec"]["egress"]
        for port in rule["ports"]
    ]
    assert 9096 not in ports


def test_who_is_called_lets_in_those_who_call_it() -> None:
    objects = rendered("production")
    rules = only(objects, "NetworkPolicy", "gateway")["spec"]["ingress"]
    api = next(rule for rule in rules if rule["ports"][0]["port"] == 7600)
    expressions = [
        peer["podSelector"].get("matchExpressions", []) for peer in api["from"] if "podSelector" in peer
    ]
    admitted = {value for each in expressions for expression in each for value in expression["values"]}
    assert admitted == {service for service in SERVICES if FACTS[service].get("asks")}


def test_behind_a_proxy_it_alone_reaches_the_page() -> None:
    rules = only(rendered("production"), "NetworkPolicy", "explorer")["spec"]["ingress"]
    page = next(rule for rule in rules if rule["ports"][0]["port"] == 7700)
    proxy = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    others = [peer for peer in page["from"] if peer != proxy]
    assert [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in others] == ["test"]


def test_the_proxy_reaches_the_api_beside_those_who_call_it_themselves() -> None:
    rules = only(rendered("production"), "NetworkPolicy", "gateway")["spec"]["ingress"]
    api = next(rule for rule in rules if rule["ports"][0]["port"] == 7600)
    assert {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}} in api["from"]
    assert {"podSelector": {}} in api["from"]


def test_measures_are_read_by_those_who_are_named_alone() -> None:
    objects = rendered("minimal")
    for service in SERVICES:
        rules = only(objects, "NetworkPolicy", service)["spec"]["ingress"]
        admin = [rule for rule in rules if {"protocol": "TCP", "port": 9100} in rule["ports"]]
        assert [peer["namespaceSelector"]["matchLabels"] for rule in admin for peer in rule["from"]] == [
            {"kubernetes.io/metadata.name": "monitoring"}
        ], service


def test_the_job_for_topics_is_let_out_before_anything_else_is_there() -> None:
    policy = only(rendered("production"), "NetworkPolicy", "topics")
    job = only(rendered("production"), "Job", "topics")
    weights = [int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in (policy, job)]
    assert weights[0] < weights[1]


@pytest.mark.parametrize("example", ["minimal", "production"])
def test_where_nobody_is_named_nobody_is_let_in_or_out(example: str) -> None:
    """A rule without peers is one for all of them."""
    none = rendered(example, *(f"networkPolicy.{key}=[]" for key in ("scrapeFrom", "clientsFrom", "dnsTo")))
    for policy in of_kind(none, "NetworkPolicy"):
        spec = policy["spec"]
        assert all(rule["from"] for rule in spec.get("ingress") or ()), policy["metadata"]["name"]
        assert all(rule["to"] for rule in spec["egress"]), policy["metadata"]["name"]
    api = only(none, "NetworkPolicy", "gateway")["spec"]["ingress"]
    assert [rule["ports"][0]["port"] for rule in api] == [7600]
    assert {"podSelector": {}} not in api[0]["from"]


@pytest.mark.parametrize(
    ("example", "changes", "fetches"),
    [
        ("production", (), True),
        ("production", ("triton.modelRepository.existingClaim=models",), False),
        ("production", ("bundles.source=image", "bundles.image.reference=bundles:7"), False),
        ("production", ("bundles.source=existingClaim", "bundles.existingClaim.name=bundles"), False),
        ("gpu", (), False),
        ("minimal", ("embedding.mode=triton", "triton.enabled=true"), False),
    ],
    ids=["store", "repository", "image", "claim", "both", "tiny"],
)
def test_triton_reaches_the_bucket_only_to_fetch_bundles(
    example: str, changes: tuple[str, ...], fetches: bool
) -> None:
    objects = rendered(example, *changes)
    rules = only(objects, "NetworkPolicy", "triton")["spec"]["egress"]
    assert bool(rules) == fetches
    pod = next(pod for pod in pods(objects) if component_of(pod.owner) == "triton")
    volumes = {volume["name"] for volume in pod.spec["volumes"]}
    assert ("secrets" in volumes) == fetches
    assert volumes == {mount["name"] for each in pod.containers for mount in each["volumeMounts"]}


def test_policies_can_be_left_out() -> None:
    assert of_kind(rendered("minimal", "networkPolicy.enabled=false"), "NetworkPolicy") == []
    assert {component_of(each) for each in of_kind(rendered("gpu"), "NetworkPolicy")} >= {"triton", "test"}
