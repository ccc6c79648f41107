"""What stands in the rules of Prometheus, read as text: nothing else here needs to know YAML."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tests.conftest import REPOSITORY

RULES: Final = REPOSITORY / "deploy" / "prometheus" / "rules.yml"
_RULE: Final = re.compile(r"^      - (record|alert): (\S+)\n((?:        .*\n|\n)*)", re.MULTILINE)
_EXPRESSION: Final = re.compile(r"^        expr: (?:\|\n((?:          .*\n)+)|(.*)\n)", re.MULTILINE)
_RUNBOOK: Final = re.compile(r"^          runbook: (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A recording rule or an alert."""

    kind: str  # record or alert
    name: str
    expression: str
    runbook: str  # path from the repository's root; empty for a recording rule


def all_rules() -> list[Rule]:
    """Returns the rules in their order."""
    text = RULES.read_text()
    found = [_rule(*match.groups()) for match in _RULE.finditer(text)]
    assert len(found) == len(re.findall(r"- (?:record|alert):", text))
    return found


def recorded_names() -> list[str]:
    """Returns the names of the series that are recorded."""
    return [rule.name for rule in all_rules() if rule.kind == "record"]


def _rule(kind: str, name: str, body: str) -> Rule:
    expression = _EXPRESSION.search(body)
    assert expression is not None, name
    runbook = _RUNBOOK.search(body)
    return Rule(
        kind=kind,
        name=name,
        expression=expression[1] or expression[2],
        runbook=runbook[1] if runbook else "",
    )
