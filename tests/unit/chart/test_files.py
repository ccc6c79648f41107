"""What stands in the chart agrees with the code, and what is generated is up to date."""

from __future__ import annotations

import subprocess
import tomllib
from typing import Any, Final

import pytest

from pairmill import __version__
from pairmill.bus.topic_declarations import read_declarations
from pairmill.groups import stage_group
from pairmill.units import STAGE_TOPICS
from pairmill_indexer.tasks import GROUP as INDEX_GROUP
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_standalone.docs.settings import SERVICES
from tests.conftest import REPOSITORY
from tests.unit.chart import topics_file, values_pages, variables_file
from tests.unit.chart.rendering import CHART, EXAMPLES, golden_text, helm, load_file, of_kind, rendered
from tests.unit.chart.write import GOLDEN
from tests.unit.deploy.variables import variables_of

FACTS: Final[dict[str, Any]] = load_file(CHART / "files" / "components.yaml")
COMPONENTS: Final[dict[str, Any]] = FACTS["components"]
DIGEST: Final = "0123456789abcdef" * 4
STAGES: Final = {
    "crawler": Stage.STAGE_CRAWL,
    "planner": Stage.STAGE_PLAN,
    "downloader": Stage.STAGE_DOWNLOAD,
    "inference": Stage.STAGE_EMBED,
    "scorer": Stage.STAGE_SCORE,
    "finaliser": Stage.STAGE_FINALISE,
    "indexer": Stage.STAGE_INDEX,
}
REWRITE: Final = "`python -m tests.unit.chart.write` writes it again"


@pytest.mark.parametrize("example", EXAMPLES)
def test_helm_finds_nothing_to_complain_of(example: str) -> None:
    values = CHART / "examples" / f"{example}.yaml"
    done = subprocess.run(
        [helm(), "lint", "--strict", CHART, "--values", values], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = load_file(CHART / "Chart.yaml")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert {chart["version"], chart["appVersion"], project["version"]} == {__version__}


def test_every_service_is_a_component() -> None:
    values = load_file(CHART / "values.yaml")
    assert set(COMPONENTS) == set(values["components"]) == set(SERVICES)


@pytest.mark.parametrize("component", STAGES)
def test_stages_read_the_topic_and_join_the_group_that_the_code_says(component: str) -> None:
    facts, stage = COMPONENTS[component], STAGES[component]
    assert facts["topic"] == STAGE_TOPICS[stage][0]
    suffix = {"rules": FACTS["rulesVersion"], "bundle": DIGEST[:12]}
    group = "-".join([facts["group"], *([suffix[facts["groupBy"]]] if "groupBy" in facts else [])])
    assert group == (INDEX_GROUP if component == "indexer" else stage_group(stage, bundle_digest=DIGEST))


def test_topics_are_scaled_by_that_the_release_makes() -> None:
    assert {
        facts["topic"] for facts in COMPONENTS.values() if "topic" in facts
    } <= topics_file.topics().keys()


@pytest.mark.parametrize("component", COMPONENTS)
def test_what_the_templates_know_of_a_service_is_so(component: str) -> None:
    facts, known = COMPONENTS[component], variables_of(component)
    named = [facts["scratch"], *facts["stops"], *facts.get("cores", ())]
    assert [name for name in named if name.startswith("PAIRMILL_") and name not in known] == []
    assert facts.get("bus", False) == ("PAIRMILL_BUS_URL" in known)
    assert facts.get("asks", False) == ("PAIRMILL_GATEWAY_TARGET" in known)
    assert (facts["kind"] == "StatefulSet") == ("PAIRMILL_MEMBER" in known)
    for protocol in ("RPC", "HTTP"):
        assert (protocol in facts.get("serves", ())) == (f"PAIRMILL_{protocol}__LISTEN" in known)


def test_topics_are_those_of_the_repository() -> None:
    assert topics_file.PATH.read_text() == topics_file.topics_file(), REWRITE


def test_topic_objects_are_as_the_command_would_make_the_topics() -> None:
    declared = read_declarations(48)
    made = of_kind(rendered("gpu"), "KafkaTopic")
    assert {each["metadata"]["name"] for each in made} == {topic.name for topic in declared.topics}
    for topic in declared.topics:
        spec = next(each["spec"] for each in made if each["metadata"]["name"] == topic.name)
        assert (spec["partitions"], spec["replicas"]) == (topic.partitions, 3)
        assert {name: _as_kafka(value) for name, value in spec["config"].items()} == topic.settings_for(3)


def _as_kafka(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_variables_of_services_are_those_of_the_code() -> None:
    assert variables_file.PATH.read_text() == variables_file.variables_file(), REWRITE


def test_the_table_of_values_is_that_of_the_values() -> None:
    assert values_pages.README.read_text() == values_pages.readme(), REWRITE


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_renders_as_it_did(example: str) -> None:
    assert golden_text(example) == (GOLDEN / f"{example}.yaml").read_text(), REWRITE


def test_nothing_golden_is_left_of_an_example_that_is_gone() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(EXAMPLES)
