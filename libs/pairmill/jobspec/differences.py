"""In what two specs differ, for people."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

_IGNORED = ("job_id",)


def differences(there: Any, here: Any, name: str = "", ignored: Collection[str] = _IGNORED) -> Iterator[str]:
    """Yields a line for each field in which two specs, as plain values, differ: there -> here."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted(there.keys() | here.keys()):
            if key not in ignored:
                yield from differences(there.get(key), here.get(key), f"{name}.{key}".lstrip("."), ignored)
    elif there != here:
        yield f"  {name}: {_shown(there)} -> {_shown(here)}"


def _shown(value: Any) -> str:
    return "(unset)" if value is None else str(value)
