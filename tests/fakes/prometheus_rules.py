"""What stands in the rules of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml  # type: ignore[import-untyped] # no stubs of it among our tools; only its loader is used

from tests.conftest import REPOSITORY

RULES: Final = REPOSITORY / "deploy" / "prometheus" / "rules.yml"
CHART_RULES: Final = REPOSITORY / "helm" / "pairmill" / "files" / "rules.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A recording rule or an alert."""

    kind: str  # record or alert
    name: str
    expression: str
    severity: str = ""  # of an alert, as what follows
    annotations: Mapping[str, str]

    @property
    def runbook(self) -> str:
        """The path of the page from the repository's root."""
        return self.annotations.get("runbook_url", "")


def all_rules() -> list[Rule]:
    """Returns the rules in their order."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [_rule(rule) for group in groups for rule in group["rules"]]


def all_alerts() -> list[Rule]:
    """Returns the rules that tell somebody."""
    return [rule for rule in all_rules() if rule.kind == "alert"]


def recorded_names() -> list[str]:
    """Returns the names of the series that are recorded."""
    return [rule.name for rule in all_rules() if rule.kind == "record"]


def _rule(rule: Mapping[str, Any]) -> Rule:
    kind = "record" if "record" in rule else "alert"
    return Rule(
        kind=kind,
        name=rule[kind],
        expression=rule["expr"],
        severity=rule.get("labels", {}).get("severity", ""),
        annotations=rule.get("annotations", {}),
    )
