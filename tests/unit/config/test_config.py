"""From an environment to a dataclass, every problem at once."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pairmill.config import Secret, document, read_config, read_configs, redacted
from pairmill.errors import ConfigurationError
from pairmill.service import ServiceConfig


class Mode(enum.Enum):
    FAST = "fast"
    CAREFUL = "careful"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    limit_bytes: int
    token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    name: str
    nested: Nested
    rate: float = 1.5
    on: bool = False
    mode: Mode = Mode.FAST
    topics: tuple[str, ...] = ("a",)
    per_host: Mapping[str, int] = field(default_factory=dict)
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError("rate: must be above 0")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "token").write_text("hunter2\n")
    return {
        "PAIRMILL_NAME": "x",
        "PAIRMILL_NESTED__LIMIT_BYTES": "10",
        "PAIRMILL_NESTED__TOKEN_FILE": str(tmp_path / "token"),
        "UNRELATED": "1",
    }


def test_values_are_read_and_defaults_filled(env: dict[str, str]) -> None:
    config = read_config(
        Settings,
        env
        | {
            "PAIRMILL_ON": "yes",
            "PAIRMILL_MODE": "careful",
            "PAIRMILL_TOPICS": "a, b",
            "PAIRMILL_PER_HOST": "x=1,y=2",
            "PAIRMILL_FOLDER": "/tmp/x",
        },
    )
    assert (config.name, config.nested.limit_bytes, config.rate) == ("x", 10, 1.5)
    assert (config.on, config.mode, config.topics) == (True, Mode.CAREFUL, ("a", "b"))
    assert (config.per_host, config.folder) == ({"x": 1, "y": 2}, Path("/tmp/x"))
    assert config.nested.token.value == "hunter2"


def test_all_problems_are_reported_at_once() -> None:
    wrong = {
        "PAIRMILL_NESTED__LIMIT_BYTES": "many",
        "PAIRMILL_NESTED__TOKEN_FILE": "/no/such/file",
        "PAIRMILL_RATE": "quick",
        "PAIRMILL_ON": "perhaps",
        "PAIRMILL_MODE": "slow",
        "PAIRMILL_PER_HOST": "x",
    }
    with pytest.raises(ConfigurationError) as caught:
        read_config(Settings, wrong)
    problems = str(caught.value).splitlines()
    names = ["NAME", "NESTED__LIMIT_BYTES", "NESTED__TOKEN", "RATE", "ON", "MODE", "PER_HOST"]
    assert [line.split(":")[0] for line in problems] == [f"PAIRMILL_{name}" for name in names]
    assert "careful" in problems[5], "the choices are named"


def test_problems_of_two_configurations_are_reported_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_configs({}, Settings, ServiceConfig)
    assert "PAIRMILL_NAME" in str(caught.value)
    assert "PAIRMILL_BUS_URL" in str(caught.value)


def test_a_value_that_the_dataclass_refuses_is_a_problem_too(env: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="rate: must be above 0"):
        read_config(Settings, env | {"PAIRMILL_RATE": "-1"})


def test_secrets_are_never_shown(env: dict[str, str]) -> None:
    config = read_config(Settings, env)
    assert "hunter2" not in f"{config} {config!r} {redacted(config)} {config.nested.token}"
    assert redacted(config)["nested"] == {"limit_bytes": 10, "token": "Secret(***)"}


def test_a_secret_is_not_taken_from_the_environment_itself(env: dict[str, str]) -> None:
    del env["PAIRMILL_NESTED__TOKEN_FILE"]
    with pytest.raises(ConfigurationError, match="PAIRMILL_NESTED__TOKEN_FILE"):
        read_config(Settings, env | {"PAIRMILL_NESTED__TOKEN": "hunter2"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OfThisMachine:
    cores: int = field(default_factory=lambda: 7, metadata={"default": "one per core"})


def test_a_default_of_this_machine_is_said_as_its_field_says() -> None:
    (found,) = document(OfThisMachine)
    assert (found.default, found.is_required) == ("one per core", False)
    assert read_config(OfThisMachine, {}).cores == 7


def test_every_variable_is_documented() -> None:
    found = {each.name: (each.kind, each.default) for each in document(Settings)}
    assert found["PAIRMILL_NAME"] == ("text", "")
    assert found["PAIRMILL_NESTED__TOKEN_FILE"][1] == ""
    assert found["PAIRMILL_RATE"] == ("number", "1.5")
    assert found["PAIRMILL_TOPICS"] == ("list of text", "a")


@dataclass(frozen=True, kw_only=True)
class _Inner:
    seconds: float = 30.0
    threads: int = 4


@dataclass(frozen=True, kw_only=True)
class _Outer:
    inner: _Inner = field(default_factory=lambda: _Inner(seconds=5.0))


def test_a_nested_configuration_begins_with_what_its_field_gives_it() -> None:
    assert read_config(_Outer, {}).inner == _Inner(seconds=5.0)
    assert read_config(_Outer, {"PAIRMILL_INNER__THREADS": "2"}).inner == _Inner(seconds=5.0, threads=2)
    assert read_config(_Outer, {"PAIRMILL_INNER__SECONDS": "7"}).inner == _Inner(seconds=7.0)
    assert [variable.default for variable in document(_Outer)] == ["5.0", "4"]
