"""Other versions of Helm: what they make of the chart is the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from deploy.local.helm import OLDER
from tests.unit.chart.rendering import (
    CHART,
    DEMO,
    EXAMPLES,
    KUBERNETES,
    Object,
    helm,
    refusal,
    refusal_by,
    rendered,
    rendered_by,
)

ALL: Final = (*EXAMPLES, DEMO)


GIVEN: Final = filter(None, os.environ.get("OTHER_HELM", "").split(os.pathsep))


@pytest.fixture(params=[OLDER, *GIVEN])
def program(request: pytest.FixtureRequest) -> Path:
    """Helm 3, and each program that OTHER_HELM lists."""
    return helm(OLDER) if request.param == OLDER else Path(request.param)


def _without_drawn(objects: tuple[Object, ...]) -> list[Object]:
    """Returns all but secrets, which the demo draws anew each time."""
    return [each for each in objects if each["kind"] != "Secret"]


@pytest.mark.parametrize("example", ALL)
def test_it_renders_the_same_objects(program: Path, example: str) -> None:
    assert _without_drawn(rendered_by(program, example)) == _without_drawn(rendered(example))


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_finds_nothing_to_complain_of(program: Path, example: str) -> None:
    command = [str(program), "lint", "--strict", str(CHART), "--kube-version", KUBERNETES]
    values = CHART / "examples" / f"{example}.yaml"
    done = subprocess.run([*command, "--values", str(values)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("example", "change"),
    [("", "logLevel=info"), ("minimal", "components.crawler.env.PAIRMILL_STAL_SECONDS=3")],
)
def test_it_refuses_what_cannot_work_in_the_same_words(program: Path, example: str, change: str) -> None:
    assert refusal_by(program, example, change).split() == refusal(example, change).split()


@pytest.mark.parametrize(
    ("change", "named"),
    [("components.crawler.replica=1", ("crawler", "replica")), ("kafka.tls.enabled=x", ("tls", "enabled"))],
)
def test_it_names_what_the_schema_refuses(program: Path, change: str, named: tuple[str, ...]) -> None:
    """Each in words of its own."""
    said = refusal_by(program, "minimal", change)
    assert [name for name in named if name not in said] == []


@pytest.mark.parametrize("change", ["runAsUser=null", "components.crawler.resources.limits=null"])
def test_it_takes_a_default_away_that_is_set_to_null(program: Path, change: str) -> None:
    assert rendered_by(program, "minimal", change) == rendered("minimal", change)
