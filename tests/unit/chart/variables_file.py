"""`helm/pairmill/files/variables.yaml`: the variables of each service, out of its configuration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from pairmill_standalone.docs.settings import SERVICES
from tests.conftest import REPOSITORY
from tests.unit.deploy.variables import variables_of

PATH: Final = REPOSITORY / "helm" / "pairmill" / "files" / "variables.yaml"
_HEAD: Final = (
    "# The variables that each service knows, written by `python -m tests.unit.chart.variables_file`.\n"
)


def variables_file() -> str:
    """Returns what the file has to hold."""
    lines = [_HEAD]
    for service in sorted(SERVICES):
        lines.append(f"{service}:\n")
        lines.extend(f"  - {name}\n" for name in sorted(variables_of(service)))
    return "".join(lines)


def main(path: Path = PATH) -> int:
    """Writes it."""
    path.write_text(variables_file())
    return 0


if __name__ == "__main__":
    sys.exit(main())
