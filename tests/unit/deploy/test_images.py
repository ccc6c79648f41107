"""The recipes of images agree with the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.local import s3
from pairmill.memory import ENVIRONMENT
from tests.conftest import REPOSITORY
from tests.unit.deploy.compose_file import IMAGES

RECIPES: Final = (
    "Dockerfile",
    "s3.Dockerfile",
    "triton-cpu.Dockerfile",
    "standin/kafka.Dockerfile",
    "standin/s3.Dockerfile",
    "standin/triton.Dockerfile",
)
OF_BUILDKIT: Final = re.compile(
    r"^# *syntax=|^RUN --mount|^COPY (--\S+ )*--(chmod|link|parents)|<<", re.MULTILINE
)
SOURCES: Final = re.compile(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", re.MULTILINE)


def _text(recipe: str) -> str:
    """Returns a recipe with its continued lines joined."""
    return (IMAGES / recipe).read_text().replace("\\\n", " ")


def _env(recipe: str) -> Iterator[tuple[str, str]]:
    for line in re.findall(r"^ENV (.+)$", _text(recipe), re.MULTILINE):
        for pair in line.split():
            name, _, value = pair.partition("=")
            yield name, value


def test_the_image_gives_freed_memory_back() -> None:
    assert ENVIRONMENT.items() <= dict(_env("Dockerfile")).items()


@pytest.mark.parametrize("recipe", RECIPES)
def test_bases_are_exact_and_nobody_is_root(recipe: str) -> None:
    text = _text(recipe)
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    bases = [
        re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], base)
        for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    ]
    assert bases
    stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
    assert all(re.search(r":\d+\.\d+", base) for base in bases if base not in stages), bases
    users = re.findall(r"^USER (\d+):", text, re.MULTILINE)
    assert users
    assert int(users[-1]) > 0


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name == "Dockerfile" or "standin/" in name])
def test_a_builder_without_buildkit_knows_all_instructions(recipe: str) -> None:
    assert OF_BUILDKIT.findall(_text(recipe)) == []


def test_a_build_sees_what_it_copies_and_little_else() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = {name.rstrip("/") for line in SOURCES.findall(_text("Dockerfile")) for name in line.split()}
    unseen = {name for name in copied if not any(Path(name).is_relative_to(place) for place in let_in)}
    assert unseen == set()


def test_labels_say_what_an_image_is() -> None:
    for label in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{label}=" in _text("Dockerfile")


def test_the_image_says_whether_its_service_lives() -> None:
    assert re.search(r"^HEALTHCHECK .*live\.py", _text("Dockerfile"), re.MULTILINE)
    assert "/livez" in (IMAGES / "live.py").read_text()


@pytest.mark.parametrize(("recipe", "context"), [("Dockerfile", REPOSITORY), ("s3.Dockerfile", IMAGES)])
def test_what_a_recipe_copies_is_there(recipe: str, context: Path) -> None:
    named = [name for line in SOURCES.findall(_text(recipe)) for name in line.split()]
    assert named
    assert [name for name in named if not (context / name).exists()] == []


def test_the_s3_server_is_the_tested_one() -> None:
    assert f"ARG VERSION={s3.VERSION}\n" in _text("s3.Dockerfile")
