"""A release of the chart, by way of Helm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.cluster.kubectl import Namespace, ask

CHART: Final = Path(__file__).resolve().parents[2] / "helm" / "pairmill"
DEMO_VALUES: Final = CHART / "values-demo.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release in a namespace."""

    namespace: Namespace
    name: str
    values: Sequence[Path]

    @property
    def fullname(self) -> str:
        """What the names of its objects begin with."""
        return self.name if "pairmill" in self.name else f"{self.name}-pairmill"

    def install(self, changes: Mapping[str, object], *, chart: Path = CHART, seconds: int = 900) -> str:
        """Installs it and waits until all of it is ready."""
        return self._apply("install", chart, changes, seconds)

    def upgrade(self, changes: Mapping[str, object], *, chart: Path = CHART, seconds: int = 900) -> str:
        """Changes it and waits until all of it is ready again."""
        return self._apply("upgrade", chart, changes, seconds)

    def rollback(self, revision: int, *, seconds: int = 900) -> str:
        """Goes back to a revision and waits until all of it is ready again."""
        waiting = ("--wait", "--timeout", f"{seconds}s")
        return self._helm("rollback", self.name, str(revision), *waiting, seconds=seconds + 60)

    def uninstall(self) -> str:
        """Removes it and waits until its pods are gone."""
        return self._helm("uninstall", self.name, "--wait", "--timeout", "300s", seconds=400)

    def test(self) -> str:
        """Runs its tests; returns what they said."""
        return self._helm("test", self.name, "--logs", "--timeout", "300s", seconds=400)

    def check(self, changes: Mapping[str, object]) -> str:
        """Asks the cluster whether it could be installed, and changes nothing."""
        changed = [part for name, value in changes.items() for part in _change(name, value)]
        return self._helm(
            "install", self.name, str(CHART), *self._values(), *changed, "--dry-run=server", seconds=120
        )

    def render(self, chart: Path = CHART, api_versions: Sequence[str] = ()) -> str:
        """Returns its objects as they would be applied, without asking the cluster."""
        more = [part for version in api_versions for part in ("--api-versions", version)]
        return self._helm("template", self.name, str(chart), *self._values(), *more, seconds=60)

    def _apply(self, verb: str, chart: Path, changes: Mapping[str, object], seconds: int) -> str:
        changed = [part for name, value in changes.items() for part in _change(name, value)]
        waiting = ("--wait", "--timeout", f"{seconds}s")
        return self._helm(
            verb, self.name, str(chart), *self._values(), *changed, *waiting, seconds=seconds + 60
        )

    def _values(self) -> list[str]:
        return [part for path in self.values for part in ("--values", str(path))]

    def _helm(self, *arguments: str, seconds: float) -> str:
        where = ("--namespace", self.namespace.name)
        settings = self.namespace.settings
        return ask([settings.helm, *arguments, *where], settings, seconds=seconds).out


def _change(name: str, value: object) -> tuple[str, str]:
    """Returns the option that changes a value; a text stays one, even if it looks like a number."""
    return "--set-string" if isinstance(value, str) else "--set", f"{name}={value}"
