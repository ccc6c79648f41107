"""The measures of all services, read from the code that makes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KINDS: Final[Mapping[str, str]] = {
    "Counter": "counter",
    "Gauge": "gauge",
    "Histogram": "histogram",
    "GaugeMetricFamily": "gauge",
    "CounterMetricFamily": "counter",
    "HistogramMetricFamily": "histogram",
}
_PREFIX: Final = "pairmill_"
_LABELS: Final = ("labelnames", "labels")
_GENERATED: Final = "pairmill_protos"

EVERY_SERVICE: Final = "every service"
EVERY_STAGE: Final = "every stage"
TRITON: Final = "Triton"
RPC: Final = "every API"

_LIBRARY_OWNERS: Final = (
    ("libs/pairmill/telemetry/process.py", EVERY_SERVICE),
    ("libs/pairmill/telemetry/health.py", EVERY_SERVICE),
    ("libs/pairmill/telemetry/cpu.py", EVERY_SERVICE),
    ("libs/pairmill/telemetry/disk.py", EVERY_SERVICE),
    ("libs/pairmill/telemetry/expiry.py", EVERY_SERVICE),
    ("libs/pairmill/rpc/", RPC),
    ("libs/pairmill_models/triton", TRITON),
    ("libs/", EVERY_STAGE),
)
"""Who has the measures that a library makes: the first beginning of the module's path that fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A metric as it is exposed."""

    name: str  # of a counter with `_total`; of a histogram without `_bucket`, `_sum`, `_count`
    kind: str
    labels: tuple[str, ...]
    meaning: str
    owner: str  # a service, or one of the names above

    @property
    def unit(self) -> str:
        """What the number is."""
        bare = self.name.removesuffix("_total")
        if self.meaning.startswith(("Whether", "1,")):
            return "0 or 1"
        if bare.endswith("_timestamp_seconds"):
            return "Unix time, seconds"
        return next((unit for unit in ("seconds", "bytes") if unit in bare.split("_")), "number")

    @property
    def shown(self) -> str:
        """Name and labels as one writes them in a query."""
        return f"{self.name}{{{','.join(self.labels)}}}" if self.labels else self.name

    def samples(self) -> frozenset[str]:
        """Returns the names that a query can ask for."""
        if self.kind == "histogram":
            return frozenset(f"{self.name}_{suffix}" for suffix in ("bucket", "sum", "count"))
        return frozenset({self.name})


def all_measures(root: Path) -> list[Measure]:
    """Returns the measures that the code of a repository makes, by owner and name.

    Raises ValueError where a label or a meaning is not written out where the measure is made.
    """
    modules = sorted([*(root / "libs").rglob("*.py"), *(root / "services").rglob("*.py")])
    found = [
        measure
        for module in modules
        if _GENERATED not in module.parts
        for measure in _measures(module, _owner(module.relative_to(root)))
    ]
    return sorted(found, key=lambda measure: (measure.owner, measure.name))


def _owner(module: Path) -> str:
    path = module.as_posix()
    if module.parts[0] == "services":
        return module.parts[1]
    return next(owner for start, owner in _LIBRARY_OWNERS if path.startswith(start))


def _measures(module: Path, owner: str) -> Iterator[Measure]:
    text = module.read_text()
    if _PREFIX not in text or not any(kind in text for kind in _KINDS):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and _makes_measure(node):
            yield _measure(node, node.func.id, owner)


def _makes_measure(call: ast.Call) -> bool:
    """Whether a call is that of a metric's class; there is also a `Counter` of collections."""
    named = call.args[0] if call.args else None
    return (
        isinstance(call.func, ast.Name)
        and call.func.id in _KINDS
        and isinstance(named, ast.Constant)
        and str(named.value).startswith(_PREFIX)
    )


def _measure(call: ast.Call, made_by: str, owner: str) -> Measure:
    kind, name = _KINDS[made_by], _text(call.args[0])
    return Measure(
        name=f"{name}_total" if kind == "counter" else name,
        kind=kind,
        labels=_labels(call),
        meaning=_text(call.args[1]),
        owner=owner,
    )


def _labels(call: ast.Call) -> tuple[str, ...]:
    given = [keyword.value for keyword in call.keywords if keyword.arg in _LABELS] or call.args[2:3]
    if not given:
        return ()
    if not isinstance(given[0], ast.Tuple | ast.List):
        raise ValueError(f"{_text(call.args[0])}: its labels are not written out")
    return tuple(_text(element) for element in given[0].elts)


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise ValueError(f"{ast.unparse(node)}: a label or meaning of a measure has to be written out")
