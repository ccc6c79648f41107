"""Every panel of every dashboard and every rule has data in a run of the stack."""

from __future__ import annotations

import urllib.request
from contextlib import suppress
from typing import Final

from tests.e2e.stack.indexed import SHARED_KEY, search, wait_indexed
from tests.e2e.stack.rig import Rig
from tests.fakes.dashboards import GPU_ONLY, all_dashboards, all_shown, variables_of
from tests.fakes.processes import wait_until
from tests.fakes.prometheus import was_ever_a_number
from tests.fakes.prometheus_rules import all_alerts, all_rules
from tests.fakes.promql import selectors_in

LOOKED_BACK_SECONDS: Final = 900.0
_SECONDS: Final = 30.0

SILENT: Final = frozenset({"PairmillCertificateExpires"})
"""Alerts about what this stack does not have: its processes speak without TLS."""


def test_every_panel_and_every_rule_has_data(rig: Rig) -> None:
    """An alert leaves out what is well: of it every series that it is made of is asked for."""
    job = rig.run(SHARED_KEY).job_id
    wait_indexed(rig, job)
    assert search(rig, job, text="a red circle").hits
    assert "<html" in page(rig)
    variables = {name: variables_of(dashboard) for name, dashboard in all_dashboards().items()}
    asked = {
        f"{shown.dashboard}: {shown.panel}: {shown.expression}": shown.asked(variables[shown.dashboard])
        for shown in all_shown()
        if (shown.dashboard, shown.panel) not in GPU_ONLY
    }
    asked |= {rule.name: rule.expression for rule in all_rules() if rule.kind == "record"}
    asked |= {
        f"{rule.name}: {series}": series
        for rule in all_alerts()
        if rule.name not in SILENT
        for series in selectors_in(rule.expression)
    }
    with suppress(AssertionError):  # the last scrapes are still to come
        wait_until(lambda: not drop_those_with_data(rig, asked), _SECONDS)
    assert list(asked) == []


def page(rig: Rig) -> str:
    """Returns the explorer's page."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback needs no proxy
    with opener.open(f"http://{rig.stack.addresses.explorer}/", timeout=_SECONDS) as answer:
        return str(answer.read(), "utf-8")


def drop_those_with_data(rig: Rig, asked: dict[str, str]) -> dict[str, str]:
    """Takes out what gave a number in the time looked at, and returns the rest."""
    for name, expression in list(asked.items()):
        if was_ever_a_number(rig.stack.prometheus, expression, seconds=LOOKED_BACK_SECONDS):
            del asked[name]
    return asked
