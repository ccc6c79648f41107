"""A service's README has its settings and its metrics, by their names."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Final

import pytest

from pairmill.config import document
from pairmill_standalone.docs.settings import SERVICES
from tests.conftest import REPOSITORY

_TABLE: Final = re.compile(r"^\| field \| default \| meaning \|\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
_NAME: Final = re.compile(r"`([\w.]+)`")


@pytest.mark.parametrize("service", SERVICES)
def test_all_settings_are_listed_or_linked_to(service: str) -> None:
    page = _page(service)
    table = _TABLE.search(page)
    if table is None:
        assert f"docs/settings.md#{service}" in page
        return
    listed = {name for line in table[1].splitlines() for name in _NAME.findall(line.split("|")[1])}
    config = getattr(importlib.import_module(f"pairmill_{service}.config"), SERVICES[service])
    names = [variable.name.removeprefix("PAIRMILL_").lower() for variable in document(config)]
    assert listed == {name.replace("__", ".") for name in names}


@pytest.mark.parametrize("service", SERVICES)
def test_all_metrics_are_listed(service: str) -> None:
    page = _page(service)
    source = REPOSITORY / "services" / service / f"pairmill_{service}" / "metrics.py"
    metrics = _metrics(source) if source.exists() else []
    assert [metric for metric in metrics if f"`{metric}" not in page] == []


def _page(service: str) -> str:
    return (REPOSITORY / "services" / service / "README.md").read_text()


def _metrics(source: Path) -> list[str]:
    """The names of a module's metrics as they are exposed: those of counters end in `_total`."""
    calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
    found = []
    for call in calls:
        name = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
        if isinstance(call.func, ast.Name) and isinstance(name, str) and name.startswith("pairmill_"):
            found.append(f"{name}_total" if call.func.id == "Counter" else name)
    assert found
    return found
