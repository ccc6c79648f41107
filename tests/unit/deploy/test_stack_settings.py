"""What a local stack tells its services is what they know and require."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deploy.local.secret_files import draw_tokens
from deploy.local.service import ServiceProcess
from deploy.local.settings import (
    AFTERWARDS,
    STAGES,
    Addresses,
    command_env,
    read_command_env,
    service_env,
    write_command_env,
)
from pairmill.rpc.callers import Role
from pairmill.rpc.tokens import parse_tokens, token_digest
from pairmill_standalone.docs.settings import SERVICES
from tests.unit.deploy.variables import problems_of


@pytest.fixture
def addresses(tmp_path: Path) -> Addresses:
    return Addresses(
        bus_url="kafka://127.0.0.1:1",
        s3_endpoint="http://127.0.0.1:2",
        s3_credentials_file=tmp_path / "a b" / "s3.json",
        triton="127.0.0.1:3",
        api="127.0.0.1:4",
        explorer="127.0.0.1:5",
        explorer_api="127.0.0.1:6",
        tokens_file=tmp_path / "tokens.toml",
        stage_token_file=tmp_path / "stages.token",
        user_token_file=tmp_path / "user.token",
        bundles=tmp_path / "bundles",
        bundle=tmp_path / "bundles" / "tiny",
    )


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_what_its_configuration_knows_and_requires(
    service: str, addresses: Addresses, tmp_path: Path
) -> None:
    process = ServiceProcess(f"{service}-0", service, tmp_path, service_env(addresses, service, {}))
    assert problems_of(service, process.env) == []


def test_the_stack_starts_every_service() -> None:
    assert {"gateway", *STAGES, *AFTERWARDS} == set(SERVICES)


def test_more_variables_have_the_last_word(addresses: Addresses) -> None:
    env = service_env(addresses, "planner", {"PAIRMILL_STOP_SECONDS": "3", "PAIRMILL_LOG_LEVEL": "debug"})
    assert (env["PAIRMILL_STOP_SECONDS"], env["PAIRMILL_LOG_LEVEL"]) == ("3", "debug")


def test_variables_for_the_command_line_are_read_as_they_were_written(
    addresses: Addresses, tmp_path: Path
) -> None:
    env = command_env(addresses)
    write_command_env(tmp_path / "env", env)
    assert read_command_env(tmp_path / "env") == env
    assert stat.S_IMODE((tmp_path / "env").stat().st_mode) == 0o600


def test_tokens_are_drawn_anew_and_each_may_do_what_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    files, others = draw_tokens(tmp_path / "one"), draw_tokens(tmp_path / "two")
    known = {entry.digest: entry.caller.role for entry in parse_tokens(files.known.read_text())}
    assert known[token_digest(files.user.read_text())] == Role.ADMIN
    assert known[token_digest(files.stages.read_text())] == Role.READ
    assert files.user.read_text() != others.user.read_text()
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (tmp_path / "one").iterdir())
