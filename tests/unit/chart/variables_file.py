"""`helm/pairmill/files/variables.yaml`: the variables of each service, out of its configuration."""

from __future__ import annotations

from typing import Final

from pairmill_standalone.docs.settings import SERVICES
from tests.unit.chart.rendering import CHART
from tests.unit.deploy.variables import variables_of

PATH: Final = CHART / "files" / "variables.yaml"
_HEAD: Final = "# The variables that each service knows. Written by `python -m tests.unit.chart.write`.\n"


def variables_file() -> str:
    """Returns what the file has to hold."""
    lines = [_HEAD]
    for service in sorted(SERVICES):
        lines.append(f"{service}:\n")
        lines.extend(f"  - {name}\n" for name in sorted(variables_of(service)))
    return "".join(lines)
