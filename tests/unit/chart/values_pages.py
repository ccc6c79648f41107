"""`values.yaml` as a table: each value with its default and the comment above it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.unit.chart.rendering import CHART, load_file

VALUES: Final = CHART / "values.yaml"
README: Final = CHART / "README.md"
_BEGIN: Final = "<!-- values -->\n"
_END: Final = "<!-- end of values -->\n"
_KEY: Final = re.compile(r"^( *)([A-Za-z0-9_]+):")
_SAID: Final = re.compile(r"^ *# -- (.*)$")


@dataclass(frozen=True, slots=True)
class Value:
    """One value as a reader finds it."""

    path: str
    default: Any
    said: str  # empty where nobody says what it is


def documented() -> Iterator[Value]:
    """Yields every key of `values.yaml` in its order."""
    defaults, above, path = load_file(VALUES), "", list[tuple[int, str]]()
    for line in VALUES.read_text().splitlines():
        if said := _SAID.match(line):
            above = said[1]
        elif found := _KEY.match(line):
            path = [(depth, name) for depth, name in path if depth < len(found[1])]
            path.append((len(found[1]), found[2]))
            names = [name for _, name in path]
            yield Value(".".join(names), _at(defaults, names), above)
            above = ""
        elif not line.lstrip().startswith("#"):
            above = ""


def values_table() -> str:
    """Returns the table of what is documented."""
    rows = [
        f"| `{value.path}` | `{_shown(value.default)}` | {value.said.replace('|', chr(92) + '|')} |\n"
        for value in documented()
        if value.said
    ]
    return "| value | default | |\n|---|---|---|\n" + "".join(rows)


def readme() -> str:
    """Returns the chart's page with the table as it has to be."""
    before, _, rest = README.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{values_table()}{_END}{after}"


def _at(values: Any, names: list[str]) -> Any:
    for name in names:
        values = values[name] if isinstance(values, dict) and name in values else None
    return values


def _shown(default: Any) -> str:
    return json.dumps(default, ensure_ascii=False) if default != "" else '""'
