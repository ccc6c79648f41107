"""A real API server is asked for what has to be there, and an installation that cannot work is refused."""

from __future__ import annotations

import pytest

from deploy.cluster.kubectl import ClusterError, Namespace
from deploy.cluster.release import CHART, Release

SECRETS = {
    "pairmill-store": "credentials.json",
    "pairmill-auth": "tokens.toml",
    "pairmill-tls": "tls.crt",
}


@pytest.fixture
def release(space: Namespace) -> Release:
    return Release(namespace=space, name="refused", values=(CHART / "examples" / "minimal.yaml",))


def refusal(release: Release, **changes: object) -> str:
    with pytest.raises(ClusterError) as refused:
        release.check(changes)
    return str(refused.value)


def test_secrets_that_are_not_there_are_all_named(release: Release) -> None:
    said = refusal(release)
    for secret in SECRETS:
        assert f"there is no secret {secret} in namespace {release.namespace.name}" in said


def test_a_key_that_a_secret_lacks_is_named(release: Release) -> None:
    space = release.namespace
    space("create", "secret", "generic", "pairmill-store", "--from-literal=keys.json={}")
    try:
        assert "has no key credentials.json" in refusal(release)
    finally:
        space("delete", "secret", "pairmill-store")


def test_a_misspelt_value_and_one_of_another_type_are_named(release: Release) -> None:
    said = refusal(release, **{"components.crawler.replica": 2, "topics.partitions": "many"})
    assert "replica" in said
    assert "partitions" in said
