"""What pages say of settings and measures is what the code has."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import CollectorRegistry
from typer.main import get_group

from pairmill.clock import SystemClock
from pairmill.config import document
from pairmill.service import ServiceConfig
from pairmill.telemetry.bus import BusMetrics
from pairmill.telemetry.disk import show_scratch
from pairmill.telemetry.expiry import show_expiry
from pairmill.telemetry.health import HealthCollector
from pairmill.telemetry.metrics import StageMetrics
from pairmill.telemetry.store import StoreMetrics
from pairmill_crawler.metrics import CrawlerMetrics
from pairmill_downloader.metrics import DownloadMetrics
from pairmill_gateway.adapters.status_file import StatusFile
from pairmill_gateway.metrics import GatewayMetrics
from pairmill_indexer.metrics import IndexerMetrics
from pairmill_inference.metrics import InferenceMetrics
from pairmill_models.triton_metrics import TritonMetrics
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_scorer.metrics import ScorerMetrics
from pairmill_standalone.cli.app import app
from pairmill_standalone.docs.__main__ import PAGES
from pairmill_standalone.docs.measures import Measure, all_measures
from pairmill_standalone.docs.metrics import LABELS
from pairmill_standalone.docs.settings import OF_ONE_JOB, SERVICES, SHARED, shared_by
from tests.conftest import REPOSITORY

PROSE: Final = sorted(
    page
    for folder in ("docs", "services", "libs", "deploy")
    for page in (REPOSITORY / folder).rglob("*.md")
    if "pairmill_protos" not in page.parts
)
_VARIABLE: Final = re.compile(r"\bPAIRMILL_[A-Z0-9_]+")
_OF_TESTS: Final = frozenset({"PAIRMILL_SHARED_DATA"})
MEASURES: Final = {measure.name: measure for measure in all_measures(REPOSITORY)}


@pytest.mark.parametrize("page", PAGES)
def test_generated_pages_are_those_of_the_code(page: str) -> None:
    assert (REPOSITORY / page).read_text() == PAGES[page](REPOSITORY), "run `make docs`"


@pytest.mark.parametrize("service", SERVICES)
def test_all_settings_stand_in_the_readme_or_in_a_shared_table(service: str) -> None:
    page = _page(service)
    config = getattr(importlib.import_module(f"pairmill_{service}.config"), SERVICES[service])
    shared = tuple(f"PAIRMILL_{name.upper()}__" for name in shared_by(config))
    names = [variable.name for variable in document(config)]
    assert [name for name in names if not name.startswith(shared) and f"| `{name}` |" not in page] == []
    assert [name for name in shared_by(config) if f"settings.md#{SHARED[name].anchor})" not in page] == []


@pytest.mark.parametrize("service", SERVICES)
def test_all_measures_of_a_service_stand_in_its_readme(service: str) -> None:
    page = _page(service)
    own = [measure for measure in MEASURES.values() if measure.owner == service]
    assert [measure.shown for measure in own if f"| `{measure.shown}` |" not in page] == []


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_variables_that_a_page_names_exist(page: Path) -> None:
    """A name may be cut short, as in `PAIRMILL_S3__…`."""
    known = known_variables()
    named = set(_VARIABLE.findall(page.read_text()))
    assert [name for name in sorted(named) if not any(other.startswith(name) for other in known)] == []


def test_a_measure_is_made_in_one_place_and_its_labels_are_explained() -> None:
    assert len(MEASURES) == len(all_measures(REPOSITORY)) > 20
    assert {label for measure in MEASURES.values() for label in measure.labels} - LABELS.keys() == set()


def test_measures_follow_the_naming() -> None:
    for measure in MEASURES.values():
        assert measure.meaning.endswith(".")
        assert measure.name.replace("_", "").isalnum()
        assert measure.name.islower()
        if measure.kind == "histogram":
            assert measure.unit == "seconds" or measure.name.endswith(
                ("_rows", "_records", "_bytes", "_score")
            )


def test_what_the_code_says_is_what_a_registry_exposes() -> None:
    """The page is read from the source; here the same is seen at run time."""
    families = [family for registry in _registries() for family in registry.collect()]
    for family in families:
        if family.name.startswith("process_"):
            continue
        measure = MEASURES[f"{family.name}_total" if family.type == "counter" else family.name]
        assert (measure.kind, measure.meaning) == (family.type, family.documentation)
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                assert set(sample.labels) - {"le"} == set(measure.labels)


def test_a_label_that_is_not_written_out_is_refused(tmp_path: Path) -> None:
    module = tmp_path / "services" / "crawler" / "metrics.py"
    module.parent.mkdir(parents=True)
    module.write_text("LABELS = ('a',)\nCounter('pairmill_things', 'Things.', LABELS)\n")
    with pytest.raises(ValueError, match="pairmill_things"):
        all_measures(tmp_path)
    module.write_text("Counter('pairmill_things', 'Things.', ('a', 'b'))\nCounter(letters)\n")
    assert all_measures(tmp_path) == [
        Measure(
            name="pairmill_things_total",
            kind="counter",
            labels=("a", "b"),
            meaning="Things.",
            owner="crawler",
        )
    ]


@cache
def known_variables() -> frozenset[str]:
    """All that services and the command line read."""
    configs = [ServiceConfig]
    for service, name in [*SERVICES.items(), *OF_ONE_JOB.items()]:
        configs.append(getattr(importlib.import_module(f"pairmill_{service}.config"), name))
    read = {variable.name for config in configs for variable in document(config)}
    return frozenset(read | set(_of_commands(get_group(app))) | _OF_TESTS)


def _of_commands(command: Any) -> Iterator[str]:
    for inner in getattr(command, "commands", {}).values():
        yield from _of_commands(inner)
    for parameter in command.params:
        given = getattr(parameter, "envvar", None) or ()
        yield from (given,) if isinstance(given, str) else given


def _registries() -> list[CollectorRegistry]:
    stage, gateway = CollectorRegistry(), CollectorRegistry()
    StageMetrics(stage, stage=Stage.STAGE_CRAWL)
    show_scratch(stage, Path("unused"))
    show_expiry(stage, SystemClock())
    for metrics in (CrawlerMetrics, DownloadMetrics, InferenceMetrics, ScorerMetrics, IndexerMetrics):
        metrics(stage)
    stage.register(HealthCollector({"loop": lambda: None}, {"loop": lambda: None}))
    BusMetrics(stage)
    StoreMetrics(stage, SystemClock())
    TritonMetrics(stage)
    GatewayMetrics(gateway, StatusFile(Path("unused")))
    return [stage, gateway]


def _page(service: str) -> str:
    return (REPOSITORY / "services" / service / "README.md").read_text()
