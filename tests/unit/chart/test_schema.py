"""The schema knows every value, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pairmill_synthweb.kinds.table import least_candidates
from tests.unit.chart.rendering import CHART, load_file
from tests.unit.chart.values_pages import documented

SCHEMA: Final[dict[str, Any]] = json.loads((CHART / "values.schema.json").read_text())
FREE: Final = {"free", "stringMap", "variables", "resources"}
"""Definitions of what is by its nature open: maps of strings, parts of pods, quantities by name."""
HELM_S_OWN: Final = "global"
"""Helm hands it to every chart with whatever other charts want to know."""
VALUES: Final[dict[str, Any]] = load_file(CHART / "values.yaml")


def _objects(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields every place in the schema that describes a map, with its path."""
    if schema.get("type") == "object" or "properties" in schema:
        yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from _objects(inner, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from _objects(schema["items"], f"{path}[]")


def _all_objects() -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from _objects(SCHEMA, "")
    for name, definition in SCHEMA["definitions"].items():
        if name not in FREE:
            yield from _objects(definition, f"definitions.{name}")


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    return SCHEMA["definitions"][reference.rpartition("/")[2]] if reference else schema


def _known(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, inner in _resolved(schema).get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here
        yield from _known(inner, here)


def _given(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in values.items():
        here = f"{path}.{name}" if path else name
        yield here
        if isinstance(value, dict):
            yield from _given(value, here)


def _is_below_components(path: str) -> bool:
    return path.startswith("components.") and path.count(".") > 1


def test_what_is_misspelt_is_refused_everywhere() -> None:
    found = dict(_all_objects())
    assert len(found) > 40
    closed = {
        path
        for path, schema in found.items()
        if isinstance(schema.get("additionalProperties"), dict)  # a map whose values have a type
        or schema.get("additionalProperties") is False
    }
    assert set(found) - closed == {f".{HELM_S_OWN}"}, "close them"


def test_every_definition_of_the_schema_is_used() -> None:
    text = json.dumps(SCHEMA)
    assert [name for name in SCHEMA["definitions"] if f'"#/definitions/{name}"' not in text] == []


def test_every_value_that_the_schema_knows_has_a_default() -> None:
    known = {path for path in _known(SCHEMA) if not _is_below_components(path)}
    inner = ("resources.", "image.", "Probe.")  # of what is set for pods, most is left to Kubernetes
    lacking = {path for path in known - set(_given(VALUES)) if not any(part in path for part in inner)}
    assert lacking == set()


def test_every_default_is_known_to_the_schema() -> None:
    known = set(_known(SCHEMA))
    open_maps = tuple(path for path in known if _is_free(path))
    unknown = {
        path
        for path in _given(VALUES)
        if path not in known and not any(path.startswith(f"{free}.") for free in open_maps)
    }
    assert unknown == set()


def _is_free(path: str) -> bool:
    schema: Mapping[str, Any] = SCHEMA
    for name in path.split("."):
        schema = _resolved(schema)["properties"][name]
    found = _resolved(schema)
    return "properties" not in found and found.get("type") == "object"


def test_every_value_says_what_it_is() -> None:
    said = {value.path for value in documented() if value.said}
    known = set(_known(SCHEMA)) & set(_given(VALUES))
    parents = {path.rpartition(".")[0] for path in known}
    leaves = {path for path in known - parents if not path.startswith("components.")}
    unsaid = {
        path for path in leaves if not said & {path, path.removesuffix(".limits").removesuffix(".requests")}
    }
    assert leaves
    assert unsaid == set()


def test_a_web_of_the_demo_is_as_large_as_it_has_to_be() -> None:
    candidates = SCHEMA["definitions"]["demo"]["properties"]["candidates"]
    assert candidates["minimum"] == least_candidates()
