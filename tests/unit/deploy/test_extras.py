"""An image holds what its service imports: the extra names every library that is reached from its start."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import util
from importlib.metadata import PackageNotFoundError, distribution, distributions, requires
from pathlib import Path
from typing import Final

import pytest

from pairmill_standalone.docs.settings import SERVICES
from tests.conftest import REPOSITORY

OURS: Final = ("pairmill", "pairmill_")
GENERATED: Final = "pairmill_protos"  # needs protobuf, and gRPC where a client or server imports it


@pytest.mark.parametrize("service", SERVICES)
def test_the_extra_of_a_service_names_all_libraries_that_it_imports(service: str) -> None:
    named = _distributions_of(service) | _distributions_of("cluster")
    missing = {
        library
        for library in _reached(f"pairmill_{service}.__main__")
        if not _providers().get(library, set()) & named
    }
    assert missing == set()


def _reached(start: str) -> set[str]:
    """Returns the foreign libraries that are imported when a module is, through all of ours."""
    waiting, seen, found = [start], {start}, set()
    while waiting:
        for name in _imports(waiting.pop()):
            top = name.partition(".")[0]
            if top == GENERATED or top in sys.stdlib_module_names:
                continue
            if not top.startswith(OURS):
                found.add(top)
            elif name not in seen:
                seen.add(name)
                waiting.append(name)
    return found


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Returns the modules that one of ours imports at once, with the packages they lie in."""
    spec = util.find_spec(module)
    if spec is None or spec.origin is None:
        return ()
    tree = ast.parse(Path(spec.origin).read_text())
    return tuple(part for name in _named(tree) for part in _with_packages(name))


def _named(tree: ast.Module) -> Iterator[str]:
    """Yields what is imported outside of functions."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module.startswith(OURS):
                yield from (f"{node.module}.{alias.name}" for alias in node.names if _is_module(node, alias))


def _is_module(node: ast.ImportFrom, alias: ast.alias) -> bool:
    return util.find_spec(f"{node.module}.{alias.name}") is not None if _is_package(node.module) else False


def _is_package(module: str | None) -> bool:
    spec = util.find_spec(module) if module else None
    return spec is not None and spec.submodule_search_locations is not None


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[: end + 1]) for end in range(len(parts)))


@cache
def _distributions_of(extra: str) -> frozenset[str]:
    """Returns the distributions that an extra brings, with those that are always there."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras, found = project["optional-dependencies"], set()
    waiting = [*project["dependencies"], *extras[extra]]
    while waiting:
        requirement = waiting.pop()
        own = re.fullmatch(r"pairmill\[(.+)\]", requirement)
        if own:
            waiting += [other for name in own[1].split(",") for other in extras[name.strip()]]
        else:
            found.add(_plain(re.match(r"[\w.-]+", requirement)[0]))  # type: ignore[index] # it names something
    return _with_dependencies(found)


def _with_dependencies(named: set[str]) -> frozenset[str]:
    """Returns distributions with all that they bring themselves."""
    waiting, found = list(named), set(named)
    while waiting:
        for requirement in requires(waiting.pop()) or ():
            name = _plain(re.split(r"[^\w.-]", requirement, maxsplit=1)[0])
            if "extra ==" not in requirement and name not in found and _is_installed(name):
                found.add(name)
                waiting.append(name)
    return frozenset(found)


def _is_installed(name: str) -> bool:
    try:
        return bool(distribution(name).version)
    except PackageNotFoundError:
        return False


@cache
def _providers() -> dict[str, set[str]]:
    """Returns by name of an importable module or package which distributions have it."""
    found: dict[str, set[str]] = {}
    for installed in distributions():
        for file in installed.files or ():
            found.setdefault(file.parts[0].partition(".")[0], set()).add(_plain(installed.name))
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
