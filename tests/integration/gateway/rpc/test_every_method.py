"""Every method that the server says it has refuses what it has to, whatever it is: found by reflection."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest

from pairmill.rpc.callers import Role
from pairmill_gateway.rpc.methods import METHODS
from tests.fakes.reflection import Described, methods_of, outcomes
from tests.fakes.rpc import SECONDS, Served, callers, serving

OPEN_TO_ALL = "/grpc.health.v1.Health/Check"
LETTERS = "/pairmill.gateway.v1.AuditService/ListDeadLetters"
MOST_BYTES = 2**20


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all methods, with a caller whose time is over."""
    tokens = callers(Path(tmp_path_factory.mktemp("rpc")))
    tokens.add("late", Role.ADMIN, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    with serving(tokens, max_message_bytes=MOST_BYTES) as server:
        yield server


@pytest.fixture(scope="module")
def described(served: Served) -> list[Described]:
    """All methods, as the server describes them."""
    with grpc.insecure_channel(served.target) as channel:
        return methods_of(channel, served.metadata("read"))


def all_but_the_health_check(described: list[Described], code: str) -> dict[str, str]:
    return {method.name: "OK" if method.name == OPEN_TO_ALL else code for method in described}


def test_reflection_finds_the_methods_that_are_listed_and_no_others(described: list[Described]) -> None:
    assert {method.name for method in described} == set(METHODS)
    assert len(described) >= 15


def test_h3_every_method_refuses_a_call_without_a_token(served: Served, described: list[Described]) -> None:
    assert outcomes(served.target, described, timeout=SECONDS) == all_but_the_health_check(
        described, "UNAUTHENTICATED"
    )


@pytest.mark.parametrize(
    "value",
    ["Bearer pmt_wrong", "Bearer ", "Basic cmVhZA==", "pmt_bare"],
    ids=["wrong", "empty", "basic", "bare"],
)
def test_h3_every_method_refuses_a_wrong_token(
    served: Served, described: list[Described], value: str
) -> None:
    metadata = (("authorization", value),)
    assert outcomes(served.target, described, timeout=SECONDS, metadata=metadata) == all_but_the_health_check(
        described, "UNAUTHENTICATED"
    )


def test_h3_every_method_refuses_an_expired_token(served: Served, described: list[Described]) -> None:
    metadata = served.metadata("late")
    assert outcomes(served.target, described, timeout=SECONDS, metadata=metadata) == all_but_the_health_check(
        described, "UNAUTHENTICATED"
    )


@pytest.mark.parametrize("role", Role)
def test_h3_every_method_refuses_too_small_a_role(
    served: Served, described: list[Described], role: Role
) -> None:
    found = outcomes(served.target, described, timeout=SECONDS, metadata=served.metadata(role.name.lower()))
    refused = {name for name, code in found.items() if code == "PERMISSION_DENIED"}
    needed = {name: method.role for name, method in METHODS.items() if method.role is not None}
    needed[LETTERS] = Role.ADMIN  # an empty request names no job
    assert refused == {name for name, least in needed.items() if least > role}
    assert "UNAUTHENTICATED" not in found.values()


def test_h4_every_method_refuses_a_call_without_a_deadline(
    served: Served, described: list[Described]
) -> None:
    assert outcomes(served.target, described, metadata=served.metadata("admin")) == all_but_the_health_check(
        described, "INVALID_ARGUMENT"
    )


def test_h4_every_method_refuses_a_deadline_that_is_too_far_away(
    served: Served, described: list[Described]
) -> None:
    found = outcomes(served.target, described, timeout=7200.0, metadata=served.metadata("admin"))
    assert found == all_but_the_health_check(described, "INVALID_ARGUMENT")


def test_h2_every_method_refuses_too_large_a_message(served: Served, described: list[Described]) -> None:
    """Those with a limit of their own refuse before the server's is reached."""
    metadata = served.metadata("admin")
    for size in (MOST_BYTES + 1, 20 * MOST_BYTES):
        found = outcomes(served.target, described, bytes(size), timeout=SECONDS, metadata=metadata)
        assert found == {method.name: "RESOURCE_EXHAUSTED" for method in described}
    small = outcomes(served.target, described, bytes(64 * 2**10 + 1), timeout=SECONDS, metadata=metadata)
    limited = {name for name, method in METHODS.items() if method.max_bytes == 64 * 2**10}
    assert {name for name, code in small.items() if code == "RESOURCE_EXHAUSTED"} == limited
    assert len(limited) >= 13


def test_h2_every_method_refuses_bytes_that_are_no_message(
    served: Served, described: list[Described]
) -> None:
    found = outcomes(
        served.target, described, b"\xff\xff", timeout=SECONDS, metadata=served.metadata("admin")
    )
    assert found == {method.name: "INVALID_ARGUMENT" for method in described}


def test_h2_whatever_bytes_come_every_method_answers_or_says_what_is_wrong(
    served: Served, described: list[Described]
) -> None:
    draw = random.Random(7)
    for _ in range(40):
        request = draw.randbytes(draw.randrange(1, 60))
        found = outcomes(
            served.target, described, request, timeout=SECONDS, metadata=served.metadata("admin")
        )
        assert set(found.values()) <= {"OK", "INVALID_ARGUMENT", "NOT_FOUND"}, request


def test_every_ending_is_counted(served: Served, described: list[Described]) -> None:
    def counted(method: Described, code: str) -> float:
        value = served.measured("pairmill_rpc_requests_total", method=method.name, code=code)
        assert value is not None
        return value

    before = {method.name: counted(method, "UNAUTHENTICATED") for method in described}
    outcomes(served.target, described, timeout=SECONDS)
    for method in described:
        refused = 0.0 if method.name == OPEN_TO_ALL else 1.0
        assert counted(method, "UNAUTHENTICATED") - before[method.name] == refused, method.name
        assert counted(method, "INTERNAL") == 0.0, method.name


def test_a_method_that_there_is_not_is_unimplemented(served: Served) -> None:
    absent = Described("/pairmill.gateway.v1.JobService/DropTables", False, False)
    found = outcomes(served.target, [absent], timeout=SECONDS, metadata=served.metadata("admin"))
    assert list(found.values()) == ["UNIMPLEMENTED"]
