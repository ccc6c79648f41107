"""Every method of the explorer's gRPC API refuses what it has to, whatever it is: found by reflection."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from pairmill.rpc.callers import Role
from pairmill.rpc.methods import STANDARD_METHODS
from pairmill_explorer.rpc.methods import METHODS
from tests.fakes.explorer_served import Explored, exploring
from tests.fakes.reflection import Described, methods_of, outcomes
from tests.fakes.rpc import SECONDS, callers

ALL = {**METHODS, **STANDARD_METHODS}
OPEN_TO_ALL = "/grpc.health.v1.Health/Check"
MOST_BYTES = 2**20


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explored]:
    """One server for all methods, with a caller whose time is over."""
    tokens = callers(Path(tmp_path_factory.mktemp("explorer")))
    tokens.add("late", Role.ADMIN, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    with exploring(tokens, rpc={"max_message_bytes": MOST_BYTES}) as server:
        yield server


@pytest.fixture(scope="module")
def described(served: Explored) -> list[Described]:
    """All methods, as the server describes them."""
    with grpc.insecure_channel(served.target) as channel:
        return methods_of(channel, served.metadata("read"))


def but_the_health_check(described: list[Described], code: str) -> dict[str, str]:
    return {method.name: "OK" if method.name == OPEN_TO_ALL else code for method in described}


def test_reflection_finds_the_methods_that_are_listed_and_no_others(described: list[Described]) -> None:
    assert {method.name for method in described} == set(ALL)
    assert len(described) >= 21


def test_h3_every_method_refuses_a_call_without_a_token(served: Explored, described: list[Described]) -> None:
    found = outcomes(served.target, described, timeout=SECONDS)
    assert found == but_the_health_check(described, "UNAUTHENTICATED")


@pytest.mark.parametrize("value", ["Bearer pmt_wrong", "Bearer ", "Basic cmVhZA=="], ids=str)
def test_h3_every_method_refuses_a_wrong_token(
    served: Explored, described: list[Described], value: str
) -> None:
    found = outcomes(served.target, described, timeout=SECONDS, metadata=(("authorization", value),))
    assert found == but_the_health_check(described, "UNAUTHENTICATED")


def test_h3_every_method_refuses_an_expired_token(served: Explored, described: list[Described]) -> None:
    found = outcomes(served.target, described, timeout=SECONDS, metadata=served.metadata("late"))
    assert found == but_the_health_check(described, "UNAUTHENTICATED")


@pytest.mark.parametrize("role", Role)
def test_h3_every_method_refuses_too_small_a_role(
    served: Explored, described: list[Described], role: Role
) -> None:
    metadata = served.metadata(role.name.lower())
    found = outcomes(served.target, described, timeout=SECONDS, metadata=metadata)
    refused = {name for name, code in found.items() if code == "PERMISSION_DENIED"}
    assert refused == {name for name, method in ALL.items() if method.role and method.role > role}
    assert set(found.values()) <= {"OK", "PERMISSION_DENIED", "INVALID_ARGUMENT", "NOT_FOUND"}


def test_h4_every_method_refuses_a_call_without_a_deadline(
    served: Explored, described: list[Described]
) -> None:
    found = outcomes(served.target, described, metadata=served.metadata("admin"))
    assert found == but_the_health_check(described, "INVALID_ARGUMENT")


def test_h2_every_method_refuses_too_large_a_message(served: Explored, described: list[Described]) -> None:
    metadata = served.metadata("admin")
    found = outcomes(served.target, described, bytes(MOST_BYTES + 1), timeout=SECONDS, metadata=metadata)
    assert found == {method.name: "RESOURCE_EXHAUSTED" for method in described}
    found = outcomes(served.target, described, bytes(64 * 2**10 + 1), timeout=SECONDS, metadata=metadata)
    limited = {name for name, method in ALL.items() if method.max_bytes is not None}
    assert {name for name, code in found.items() if code == "RESOURCE_EXHAUSTED"} == limited
    assert len(limited) >= 15


def test_h2_every_method_refuses_bytes_that_are_no_message(
    served: Explored, described: list[Described]
) -> None:
    metadata = served.metadata("admin")
    found = outcomes(served.target, described, b"\xff\xff", timeout=SECONDS, metadata=metadata)
    assert found == {method.name: "INVALID_ARGUMENT" for method in described}
