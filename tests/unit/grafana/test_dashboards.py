"""Dashboards ask for what the code exposes, say what they show, and are what the generator makes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.grafana.__main__ import CHART, chart_files, main
from deploy.grafana.failures import CLASSES
from pairmill_standalone.docs.measures import all_measures
from tests.conftest import REPOSITORY
from tests.fakes.dashboards import FOLDER, GPU_ONLY, Shown, all_dashboards, all_shown, panels_of
from tests.fakes.foreign_series import FOREIGN, SCRAPE_LABELS
from tests.fakes.label_values import is_possible
from tests.fakes.prometheus_rules import all_alerts
from tests.fakes.promql import groupings_in, names_in, selections_in

DASHBOARDS: Final = all_dashboards()
SHOWN: Final = all_shown()
PANELS: Final = [(name, panel) for name, dashboard in DASHBOARDS.items() for panel in panels_of(dashboard)]
LABELS: Final = {
    sample: set(measure.labels) for measure in all_measures(REPOSITORY) for sample in measure.samples()
} | FOREIGN
RUNBOOKS: Final = REPOSITORY / "docs" / "runbooks"
MOST_BYTES: Final = 900_000  # a ConfigMap holds a mebibyte


def id_of(found: tuple[str, dict[str, Any]] | Shown) -> str:
    if isinstance(found, Shown):
        return f"{found.dashboard}-{found.panel}"
    return f"{found[0]}-{found[1]['title']}"


def test_the_files_are_those_that_the_generator_makes() -> None:
    assert {name: (CHART / name).read_text() for name in chart_files()} == dict(chart_files())
    assert {f"dashboards/{path.name}" for path in FOLDER.iterdir()} <= chart_files().keys()


def test_stale_files_are_found_and_written_and_those_of_no_dashboard_removed(tmp_path: Path) -> None:
    dashboards = tmp_path / "dashboards"
    dashboards.mkdir()
    (dashboards / "gone.json").write_text("{}")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "other.toml").write_text("is another's")
    assert main(["--check"], tmp_path) == 1
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    assert {path.name for path in dashboards.iterdir()} == {path.name for path in FOLDER.iterdir()}
    assert (tmp_path / "files" / "other.toml").exists()


@pytest.mark.parametrize("shown", SHOWN, ids=id_of)
def test_panels_ask_for_series_that_there_are(shown: Shown) -> None:
    names = names_in(shown.expression)
    assert names
    assert names - LABELS.keys() == set()


@pytest.mark.parametrize("shown", SHOWN, ids=id_of)
def test_panels_select_and_group_by_labels_that_there_are(shown: Shown) -> None:
    asked = names_in(shown.expression)
    for metric, label, _ in selections_in(shown.expression):
        assert label in LABELS[metric] | SCRAPE_LABELS, metric
    known = set[str]().union(*(LABELS[name] for name in asked)) | SCRAPE_LABELS | {"le"}
    assert groupings_in(shown.expression) <= known


def test_values_that_panels_select_are_of_the_closed_sets() -> None:
    """A selector that nothing matches would be a panel that is right and empty."""
    selected = {found[1:] for shown in SHOWN for found in selections_in(shown.expression)}
    values = {(label, value) for label, either in selected for value in either.split("|")}
    chosen = {(label, value) for label, value in values if not value.startswith("$")}
    assert [(label, value) for label, value in chosen if not is_possible(label, value)] == []
    assert len(chosen) > 40


def test_classes_of_failures_have_no_reason_twice() -> None:
    reasons = [reason for pattern in CLASSES.values() for reason in pattern.split("|")]
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize(
    ("alert", "name", "left_out"),
    [
        ("PairmillFetchesFail", "network", set()),
        ("PairmillHostsRefuse", "host", {"http_4xx"}),  # links that are dead are no refusal
        ("PairmillConsentRefused", "consent", set()),
    ],
)
def test_alerts_count_the_classes_of_failures_that_panels_show(
    alert: str, name: str, left_out: set[str]
) -> None:
    (expression,) = (rule.expression for rule in all_alerts() if rule.name == alert)
    counted = {value for _, label, value in selections_in(expression) if label == "reason"}
    assert [set(pattern.split("|")) for pattern in counted] == [set(CLASSES[name].split("|")) - left_out]


@pytest.mark.parametrize("shown", SHOWN, ids=id_of)
def test_every_series_of_a_panel_follows_the_variables(shown: Shown) -> None:
    found = selections_in(shown.expression)
    for metric in names_in(shown.expression):
        chosen = {(label, value) for name, label, value in found if name == metric}
        assert ("namespace", "$namespace") in chosen, metric


@pytest.mark.parametrize("found", PANELS, ids=id_of)
def test_a_panel_says_what_it_shows_and_what_to_do(found: tuple[str, dict[str, Any]]) -> None:
    _, panel = found
    shows, _, remedy = panel["description"].partition("\n\n**When it looks wrong:** ")
    assert len(shows) > 20
    assert len(remedy) > 15
    assert panel["fieldConfig"]["defaults"]["unit"]
    for link in panel["links"]:
        page = link["url"].removeprefix("docs/runbooks/")
        assert (RUNBOOKS / page).is_file(), page


def test_every_page_of_an_alert_is_the_link_of_a_panel() -> None:
    linked = {link["url"] for _, panel in PANELS for link in panel["links"]}
    shared = {"docs/runbooks/not-live.md"}  # what is not live stands in the panel of what is not ready
    assert {alert.runbook for alert in all_alerts()} - linked == shared


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_has_its_uid_variables_and_no_two_panels_in_one_place(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == f"pairmill-{name}"
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert variables[:3] == ["datasource", "namespace", "job"]
    places = [
        (place["x"] + x, place["y"] + y)
        for place in (panel["gridPos"] for panel in dashboard["panels"])
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24
    titles = [panel["title"] for panel in panels_of(dashboard)]
    assert len(set(titles)) == len(titles)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert len((FOLDER / f"{name}.json").read_bytes()) < MOST_BYTES


_SETTING: Final = re.compile(r"`(PAIRMILL_[A-Z_]+|(?:score|download|plan|finalise)\.[a-z_]+)")


@pytest.mark.parametrize("found", PANELS, ids=id_of)
def test_settings_and_pages_that_a_panel_names_exist(found: tuple[str, dict[str, Any]]) -> None:
    text = found[1]["description"]
    settings = (REPOSITORY / "docs" / "settings.md").read_text()
    assert [name for name in _SETTING.findall(text) if f"| `{name}" not in settings] == []
    assert [page for page in re.findall(r"docs/[\w/-]+\.md", text) if not (REPOSITORY / page).is_file()] == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_legends_name_labels_that_the_series_have(name: str) -> None:
    for panel in panels_of(DASHBOARDS[name]):
        for target in panel["targets"]:
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert named <= groupings_in(target["expr"]), panel["title"]


def test_panels_that_need_a_gpu_are_there_and_ask_triton_only() -> None:
    found = {(shown.dashboard, shown.panel) for shown in SHOWN}
    assert found >= GPU_ONLY
    for shown in SHOWN:
        if (shown.dashboard, shown.panel) in GPU_ONLY:
            assert all(name.startswith("nv_gpu_") for name in names_in(shown.expression))
