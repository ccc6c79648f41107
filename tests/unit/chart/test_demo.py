"""What a demo brings itself agrees with the code, and with itself."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Final

from deploy.local import kafka, s3
from pairmill.rpc.callers import Role
from pairmill.rpc.tokens import parse_tokens
from pairmill_downloader.fetching.config import Network, Route
from pairmill_synthweb.files import PictureFiles
from pairmill_synthweb.prepare import JOB_FILE
from pairmill_synthweb.rules import Rules, demo_spec
from pairmill_synthweb.web import SyntheticWeb
from pairmill_synthweb.world import Host, World
from tests.conftest import REPOSITORY
from tests.fakes.painter import FakePainter
from tests.unit.chart.rendering import (
    CHART,
    DEMO,
    Object,
    component_of,
    environment,
    load_file,
    of_kind,
    only,
    pods,
    rendered,
)

PARTS: Final = {"demo-kafka", "demo-s3", "demo-web"}


def secret(name: str) -> dict[str, str]:
    """Returns what is in a secret; each rendering draws another one, and `rendered` keeps the first."""
    found = next(
        each for each in of_kind(rendered(DEMO), "Secret") if each["metadata"]["name"].endswith(name)
    )
    data = {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}
    return data | dict(found.get("stringData", {}))


def volume_claims(each: Object) -> list[Any]:
    return list(each["spec"].get("volumeClaimTemplates", ()))


def test_the_downloaders_are_told_all_routes_of_the_web() -> None:
    told = environment(rendered(DEMO), "downloader")
    routes = [Route(text) for text in told["PAIRMILL_CONNECT_TO"].split(",")]
    theirs = [Route(text.replace(":0", ":7900")) for text in _web().connect_to]
    assert [route.suffix for route in routes] == [route.suffix for route in theirs]
    assert [route.failure for route in routes] == [route.failure for route in theirs]
    assert {route.address for route in routes if not route.failure} == {"10.96.0.7"}
    assert Network(told["PAIRMILL_ALLOWED_NETWORKS"]) == Network("10.96.0.7/32")


def test_only_the_downloaders_see_services_in_their_environment() -> None:
    links = {component_of(pod.owner): pod.spec["enableServiceLinks"] for pod in pods(rendered(DEMO))}
    assert {component for component, linked in links.items() if linked} == {"downloader"}


def test_the_web_is_where_the_routes_lead_and_one_port_of_it_refuses() -> None:
    service = only(rendered(DEMO), "Service", "demo-web")
    assert [port["port"] for port in service["spec"]["ports"]] == [7900, 7901]
    pod = next(pod for pod in pods(rendered(DEMO)) if component_of(pod.owner) == "demo-web")
    container = pod.containers[0]
    assert [port["containerPort"] for port in container["ports"]] == [7900]
    assert "--serve=0.0.0.0:7900" in container["args"]
    assert container["readinessProbe"]["httpGet"]["path"] == f"/{JOB_FILE}"


def test_the_tokens_are_known_by_their_digests() -> None:
    auth = secret("-demo-auth")
    known = {entry.caller.name: entry for entry in parse_tokens(auth["tokens.toml"])}
    assert {name: entry.caller.role for name, entry in known.items()} == {
        "user": Role.ADMIN,
        "stages": Role.READ,
    }
    for name, entry in known.items():
        assert entry.digest == hashlib.sha256(auth[f"{name}.token"].encode()).digest()
    assert len(auth["session.key"]) >= 32


def test_the_store_and_its_server_have_the_same_keys() -> None:
    keys = secret("-demo-store")
    assert json.loads(keys["credentials.json"]) == {
        "access_key": keys["access-key"],
        "secret_key": keys["secret-key"],
    }


def test_two_installations_have_other_secrets() -> None:
    one = secret("-demo-auth")["user.token"]
    other = rendered(DEMO, "demo.seed=2")
    assert one not in json.dumps(other)


def test_datasets_stay_and_all_else_goes_with_the_release() -> None:
    kept = {
        component_of(each): each["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"]
        for each in of_kind(rendered(DEMO), "StatefulSet")
        if volume_claims(each)
    }
    assert kept == {"demo-kafka": "Delete", "demo-s3": "Retain", "demo-web": "Delete"}
    gone = only(rendered(DEMO, "demo.s3.keep=false"), "StatefulSet", "demo-s3")
    assert gone["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete"


def test_what_is_given_is_not_brought() -> None:
    given = rendered(
        DEMO,
        *("kafka.bootstrapServers=kafka:9092", "store.endpoint=http://s3:9000", "store.existingSecret=keys"),
        *("auth.existingSecret=tokens", "tls.existingSecret=certificate"),
        *("networkPolicy.enabled=false", "demo.job.enabled=false", "checkSecrets=false"),
    )
    brought = {component_of(each) for each in of_kind(given, "StatefulSet", "Job", "Secret")}
    assert {name for name in brought if name.startswith("demo-")} == {"demo-web"}


def test_the_servers_are_the_tested_ones() -> None:
    brought = load_file(CHART / "values.yaml")["demo"]
    assert (brought["kafka"]["image"]["tag"], brought["s3"]["image"]["tag"]) == (
        kafka.VERSION,
        f"v{s3.VERSION}",
    )
    standin = load_file(REPOSITORY / "deploy" / "cluster" / "standin.yaml")["demo"]
    assert (standin["kafka"]["image"]["tag"], standin["s3"]["image"]["tag"]) == (kafka.VERSION, s3.VERSION)


def test_each_part_has_a_policy_and_only_the_release_gets_to_it() -> None:
    policies = {component_of(each): each["spec"] for each in of_kind(rendered(DEMO), "NetworkPolicy")}
    assert policies.keys() >= {*PARTS, "demo-job"}
    for part in PARTS:
        peers = [peer for rule in policies[part]["ingress"] for peer in rule["from"]]
        assert peers
        assert all(
            peer["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "mill" for peer in peers
        )
    assert policies["demo-web"]["egress"] == policies["demo-s3"]["egress"] == []


def test_a_revision_has_a_job_of_its_own_for_what_is_in_a_job_never_changes() -> None:
    names = {component_of(each): each["metadata"]["name"] for each in of_kind(rendered(DEMO), "Job")}
    assert names["demo-job"] == "mill-pairmill-demo-job-1"


def _web() -> SyntheticWeb:
    """A web that is not up: its routes have port 0."""
    nothing: dict[str, Host] = {}
    world = World(
        seed=1, rules=Rules.from_spec(demo_spec()), hosts=nothing, resources=(), candidates=(), wats=()
    )
    return SyntheticWeb(world, PictureFiles(1, world.redraws, FakePainter()))
