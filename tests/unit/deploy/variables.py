"""The variables that a service reads, as its configuration says."""

from __future__ import annotations

import importlib
from typing import Any

from pairmill.config import Variable, document
from pairmill.service import ServiceConfig
from pairmill_standalone.docs.service_pages import UNLIKE_STAGES
from pairmill_standalone.docs.settings import SERVICES


def variables_of(service: str) -> dict[str, Variable]:
    """Returns the variables of a service by name."""
    own = getattr(importlib.import_module(f"pairmill_{service}.config"), SERVICES[service])
    configs: tuple[type[Any], ...] = (own,) if service in UNLIKE_STAGES else (own, ServiceConfig)
    return {variable.name: variable for config in configs for variable in document(config)}


def problems_of(service: str, env: dict[str, str]) -> list[str]:
    """Returns what is wrong with the variables that a service is given."""
    known = variables_of(service)
    given = {name for name in env if name.startswith("PAIRMILL_")}
    unknown = [f"{name} is unknown" for name in sorted(given - known.keys())]
    required = {name for name, variable in known.items() if variable.is_required}
    return unknown + [f"{name} is missing" for name in sorted(required - given)]
