"""The fault proxy as a process of its own, told what to do by a file and over HTTP."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.s3 import S3Server
from pairmill.errors import RetriableError
from pairmill.store.s3 import S3Store
from pairmill.store.settings import S3Config
from tests.fakes.fault_proxy import CONTROL
from tests.fakes.processes import Child


@pytest.fixture
def control(tmp_path: Path) -> Path:
    return tmp_path / "faults.json"


@pytest.fixture
def endpoint(s3_server: S3Server, control: Path) -> Iterator[str]:
    with Child("tests.fakes.fault_proxy", "--target", s3_server.address, "--control", control) as child:
        child.wait_for_lines(1)
        yield child.lines[0]


@pytest.fixture
def store(endpoint: str, bucket: str, s3_server: S3Server) -> Iterator[S3Store]:
    config = S3Config(
        endpoint=endpoint, credentials_file=s3_server.credentials_file, write_patience_seconds=0
    )
    with S3Store(bucket, "", config) as store:
        yield store


def ask(endpoint: str, rules: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Sets rules if there are any; returns those in force."""
    data = json.dumps(rules).encode() if rules is not None else None
    method = "GET" if data is None else "PUT"
    request = urllib.request.Request(endpoint + CONTROL, data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        found: list[dict[str, Any]] = json.loads(response.read() or b"[]")
    return found


def test_rules_of_a_file_hold_until_it_changes(store: S3Store, control: Path, endpoint: str) -> None:
    store.put("a", b"x")
    control.write_text(json.dumps([{"do": "status", "method": "PUT", "times": None}]))
    for _ in range(2):
        with pytest.raises(RetriableError):
            store.put("b", b"x")
    assert [(rule["do"], rule["applied"]) for rule in ask(endpoint)] == [("status", 2)]
    control.write_text("[]")
    store.put("b", b"x")
    assert [each.key for each in store.list("")] == ["a", "b"]


def test_rules_may_be_set_over_http(store: S3Store, endpoint: str) -> None:
    ask(endpoint, [{"do": "lose", "method": "PUT", "skip": 1}])
    store.put("a", b"x")
    with pytest.raises(RetriableError):
        store.put("b", b"x")
    assert store.get("b") == b"x", "the server did what it was asked"
    assert [(rule["fitted"], rule["applied"]) for rule in ask(endpoint)] == [(2, 1)]
