"""How the gateway's refusals are said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pairmill.errors import ConfigurationError
from pairmill_standalone.cli.api_errors import Dialect

OPTIONS: Final[Mapping[str, str]] = {
    "wats": "--wat",
    "sample_rate": "--sample",
    "job_id": "JOB",
    "deadline": "--timeout",
    "page_token": "--limit",
    "page_size": "--limit",
    "states": "--state",
    "interval_seconds": "--interval",
}
"""Options whose name is not that of their field."""


def option_of(field: str) -> str:
    """Returns the option that a field of a request comes from."""
    if field.startswith("settings."):
        return f"--set {field.removeprefix('settings.')}"
    name, bracket, rest = field.partition("[")
    if name == "request":
        return name
    option = OPTIONS.get(name, "--" + name.replace("_", "-"))
    return f"{option} number {int(rest.rstrip(']')) + 1}" if bracket and rest[:-1].isdigit() else option


GATEWAY: Final = Dialect(
    server="gateway",
    option_of=option_of,
    kinds={
        "NOT_FOUND": (ConfigurationError, "JOB: {details}; `pairmill job list` has those that there are"),
    },
)
