"""Rules ask for what there is, and every alert has a runbook."""

from __future__ import annotations

import re
from typing import Final

import pytest

from pairmill.reasons import outcome_name, reason_name
from pairmill.telemetry.endings import possible_endings
from pairmill_indexer.verdicts import Refusal
from pairmill_protos.common.v1.outcome_pb2 import Outcome
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_standalone.docs.measures import all_measures
from tests.conftest import REPOSITORY
from tests.fakes.foreign_series import FOREIGN, SCRAPE_LABELS
from tests.fakes.label_values import is_possible
from tests.fakes.prometheus_rules import CHART_RULES, Rule, all_rules
from tests.fakes.prometheus_rules import RULES as RULES_FILE
from tests.fakes.promql import groupings_in, groupings_of_sums, names_in, selections_in

RULES: Final = all_rules()
ALERTS: Final = [rule for rule in RULES if rule.kind == "alert"]
MEASURES: Final = all_measures(REPOSITORY)
RUNBOOKS: Final = REPOSITORY / "docs" / "runbooks"
LABELS: Final = {
    sample: set(measure.labels) for measure in MEASURES for sample in measure.samples()
} | FOREIGN
_FIELDS: Final = {
    *("client_ca_file", "expires_at", "get_range", "instance_group", "max_queue_delay_microseconds"),
    "peak_memory_bytes",
}
"""What runbooks name besides events."""

_LOGGED: Final = re.compile(r"log\.(?:debug|info|warning|error)\(\s*\"(\w+)\"")
_EVENT: Final = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")
_HEADINGS: Final = ("Meaning", "Impact", "Diagnosis", "Remedy")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_ask_for_measures_that_there_are(rule: Rule) -> None:
    names = names_in(rule.expression)
    assert names
    assert names - LABELS.keys() - {recorded.name for recorded in RULES if recorded.kind == "record"} == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_select_and_group_by_labels_that_there_are(rule: Rule) -> None:
    recorded = {rule.name: groupings_in(rule.expression) for rule in RULES if rule.kind == "record"}
    known = LABELS | recorded
    for metric, label, _ in selections_in(rule.expression):
        assert label in known[metric] | SCRAPE_LABELS
    asked = set[str]().union(*(known[name] for name in names_in(rule.expression)))
    assert groupings_in(rule.expression) <= asked | SCRAPE_LABELS | {"le"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_keep_namespaces_apart(rule: Rule) -> None:
    """Two releases in one cluster are two Pairmills."""
    over = groupings_of_sums(rule.expression)
    assert [labels for labels in over if "namespace" not in labels] == []


def test_the_chart_has_the_same_rules() -> None:
    assert CHART_RULES.read_text() == RULES_FILE.read_text()


def test_values_that_rules_select_are_of_the_closed_sets() -> None:
    """A selector that nothing matches would be an alert that never fires."""
    selected = [found[1:] for rule in RULES for found in selections_in(rule.expression)]
    values = {(label, value) for label, either in selected for value in either.split("|")}
    assert [(label, value) for label, value in values if not is_possible(label, value)] == []
    assert len(values) > 15


def test_names_of_rules_are_those_of_their_kind_and_unique() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names) > 30
    for rule in RULES:
        form = r"pairmill(:[a-z0-9_]+){1,2}" if rule.kind == "record" else r"Pairmill([A-Z][a-z]+)+"
        assert re.fullmatch(form, rule.name), rule.name


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_has_a_runbook_that_its_index_names(alert: Rule) -> None:
    page = REPOSITORY / alert.runbook
    assert page.parent == RUNBOOKS
    text = page.read_text()
    assert [word for word in _HEADINGS if f"**{word}.**" not in text] == []
    assert f"| `{alert.name}` | {alert.severity} | [" in (RUNBOOKS / "README.md").read_text()
    assert f"({page.name})" in (RUNBOOKS / "README.md").read_text()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_says_how_bad_and_what_it_is(alert: Rule) -> None:
    assert alert.severity in {"critical", "warning", "info"}
    assert set(alert.annotations) == {"summary", "description", "runbook_url"}
    assert len(alert.annotations["summary"]) < 90
    assert not alert.annotations["summary"].endswith(".")
    assert alert.annotations["description"].endswith(".")


def test_every_runbook_is_named_by_the_index() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    pages = [page.name for page in RUNBOOKS.glob("*.md") if page.name != "README.md"]
    assert [page for page in pages if f"({page}" not in index] == []


def test_events_of_the_log_that_runbooks_name_are_logged() -> None:
    sources = [path for root in ("libs", "services") for path in (REPOSITORY / root).rglob("*.py")]
    logged = {event for path in sources for event in _LOGGED.findall(path.read_text())}
    named = {event for page in RUNBOOKS.glob("*.md") for event in _EVENT.findall(page.read_text())}
    others = _FIELDS | FOREIGN.keys() | {measure.name for measure in MEASURES} | _reasons()
    assert {event for event in named - others if not event.startswith("pairmill_")} <= logged
    assert len(named & logged) > 5


def _reasons() -> set[str]:
    endings = {ending for stage in Stage.values() for ending in possible_endings(stage)}
    outcomes = {outcome_name(outcome) for outcome in Outcome.values()}
    return {reason_name(reason) for _, reason in endings} | set(Refusal) | outcomes
