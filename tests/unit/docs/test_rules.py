"""Rules ask for what there is, and every alert has a runbook."""

from __future__ import annotations

import re
from typing import Final, get_args

import pytest

from pairmill.reasons import outcome_name, reason_name
from pairmill.rpc.metrics import CODES
from pairmill.stage.observer import UnitEnding
from pairmill.telemetry.endings import possible_endings
from pairmill_gateway.metrics import STATES
from pairmill_indexer.verdicts import Refusal
from pairmill_protos.common.v1.outcome_pb2 import Outcome
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_standalone.docs.measures import all_measures
from tests.conftest import REPOSITORY
from tests.fakes.prometheus_rules import Rule, all_rules

RULES: Final = all_rules()
ALERTS: Final = [rule for rule in RULES if rule.kind == "alert"]
MEASURES: Final = all_measures(REPOSITORY)
RUNBOOKS: Final = REPOSITORY / "docs" / "runbooks"
_OWN: Final = re.compile(r"\bpairmill[_:][\w:]+")
_SELECTED: Final = re.compile(r"\b(pairmill_\w+)\{([^}]*)\}")
_SELECTION: Final = re.compile(r"[{,]\s*(\w+)(?:=~|!~|!=|=)\"([^\"]*)\"")
_LABEL: Final = re.compile(r"(\w+)(?:=~|!~|!=|=)\"([^\"]*)\"")
_BY: Final = re.compile(r"\bby \(([^)]*)\)")
_OF_THE_SCRAPE: Final = {"service", "member", "instance", "job"}
_LOGGED: Final = re.compile(r"log\.(?:debug|info|warning|error)\(\s*\"(\w+)\"")
_EVENT: Final = re.compile(r"`([a-z]+(?:_[a-z]+)+)`")
_HEADINGS: Final = ("Meaning", "Impact", "Diagnosis", "Remedy")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_ask_for_measures_that_there_are(rule: Rule) -> None:
    known = {sample for measure in MEASURES for sample in measure.samples()}
    known |= {recorded.name for recorded in RULES if recorded.kind == "record"}
    assert set(_OWN.findall(rule.expression)) - known == set()
    assert _OWN.search(rule.expression) or "up{" in rule.expression


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_select_and_group_by_labels_that_there_are(rule: Rule) -> None:
    labels = {sample: set(measure.labels) for measure in MEASURES for sample in measure.samples()}
    for name, selection in _SELECTED.findall(rule.expression):
        assert {label for label, _ in _LABEL.findall(selection)} <= labels[name] | _OF_THE_SCRAPE
    known = set.union(*labels.values()) | _OF_THE_SCRAPE | {"le"}
    grouped = {label.strip() for by in _BY.findall(rule.expression) for label in by.split(",")}
    assert grouped <= known


def test_values_that_rules_select_are_of_the_closed_sets() -> None:
    """A selector that nothing matches would be an alert that never fires."""
    endings = {ending for stage in Stage.values() for ending in possible_endings(stage)}
    known = {
        "outcome": {outcome_name(outcome) for outcome, _ in endings},
        "reason": {reason_name(reason) for _, reason in endings} | set(Refusal),
        "result": set(get_args(UnitEnding)),
        "cause": {"dependency", "breaker"},
        "state": set(STATES),
        "service": {"scorer", "indexer"},
        "job": {"pairmill"},
        "code": {code.name for code in CODES},
    }
    selected = [found for rule in RULES for found in _SELECTION.findall(rule.expression)]
    values = {(label, value) for label, either in selected for value in either.split("|")}
    retries = {("topic", "download-retry-.*")}
    assert {(label, value) for label, value in values if value not in known.get(label, ())} <= retries
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
    text = page.read_text()
    assert [word for word in _HEADINGS if f"**{word}.**" not in text] == []
    assert f"| `{alert.name}` | [" in (RUNBOOKS / "README.md").read_text()
    assert f"({page.name})" in (RUNBOOKS / "README.md").read_text()


def test_every_runbook_is_named_by_the_index() -> None:
    index = (RUNBOOKS / "README.md").read_text()
    pages = [page.name for page in RUNBOOKS.glob("*.md") if page.name != "README.md"]
    assert [page for page in pages if f"({page}" not in index] == []


def test_events_of_the_log_that_runbooks_name_are_logged() -> None:
    sources = [path for root in ("libs", "services") for path in (REPOSITORY / root).rglob("*.py")]
    logged = {event for path in sources for event in _LOGGED.findall(path.read_text())}
    named = {event for page in RUNBOOKS.glob("*.md") for event in _EVENT.findall(page.read_text())}
    fields = {"peak_memory_bytes", "nv_inference_queue_duration_us", "nv_inference_compute_infer_duration_us"}
    others = fields | {measure.name for measure in MEASURES} | _reasons()
    assert {event for event in named - others if not event.startswith("pairmill_")} <= logged
    assert len(named & logged) > 5


def _reasons() -> set[str]:
    endings = {ending for stage in Stage.values() for ending in possible_endings(stage)}
    outcomes = {outcome_name(outcome) for outcome in Outcome.values()}
    return {reason_name(reason) for _, reason in endings} | set(Refusal) | outcomes
