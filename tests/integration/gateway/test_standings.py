"""A stage asks a real gateway over a real socket what is wanted (U2a)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pairmill.errors import RetriableError
from pairmill.stage.gateway_access import GatewayAccess
from pairmill.stage.gateway_client import GatewayClient
from pairmill_protos.gateway.v1.unit_service_pb2 import UnitKey
from tests.fakes.rpc import TokenFile, callers, serving

UNITS = [
    UnitKey(job_id="j1", unit_id=f"j1/w0000/c{number:06d}", input_digest=b"x" * 16) for number in range(3)
]


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return callers(tmp_path)


@pytest.fixture
def access(tokens: TokenFile) -> GatewayAccess:
    return GatewayAccess(token_file=tokens.token_file("read"), deadline_seconds=10.0)


def test_a_stage_is_answered_in_the_order_of_its_units(tokens: TokenFile, access: GatewayAccess) -> None:
    with serving(tokens) as served, GatewayClient(served.target, access) as client:
        assert len(client.ask(UNITS)) == 3


def test_h3_a_token_that_is_not_known_gives_no_answer(tokens: TokenFile, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("no token of anybody")
    with serving(tokens) as served:
        for access in (GatewayAccess(token_file=wrong), GatewayAccess()):
            with (
                GatewayClient(served.target, replace(access, deadline_seconds=10.0)) as client,
                pytest.raises(RetriableError, match="UNAUTHENTICATED"),
            ):
                client.ask(UNITS)


def test_a_token_that_was_rotated_is_read_anew(tokens: TokenFile, access: GatewayAccess) -> None:
    assert access.token_file is not None
    with serving(tokens) as served, GatewayClient(served.target, access) as client:
        known = access.token_file.read_text()
        access.token_file.write_text("not yet")
        with pytest.raises(RetriableError):
            client.ask(UNITS)
        access.token_file.write_text(known)
        assert len(client.ask(UNITS)) == 3


def test_f1_a_gateway_that_comes_back_is_found_again(tokens: TokenFile, access: GatewayAccess) -> None:
    with serving(tokens) as served:
        target = served.target
        port = served.server.port
    with GatewayClient(target, access) as client:
        with pytest.raises(RetriableError, match="UNAVAILABLE"):
            client.ask(UNITS)
        with serving(tokens, listen=f"127.0.0.1:{port}"):
            assert len(client.ask(UNITS)) == 3


def test_a_missing_token_file_is_no_crash(tokens: TokenFile, tmp_path: Path) -> None:
    with (
        serving(tokens) as served,
        GatewayClient(served.target, GatewayAccess(token_file=tmp_path / "none")) as client,
        pytest.raises(RetriableError, match="No such file"),
    ):
        client.ask(UNITS)
