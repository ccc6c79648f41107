"""The shape of the code: who may import whom, and how large a thing may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[3]
MOST_MODULE_LINES: Final = 400
MOST_FUNCTION_LINES: Final = 60
SERVICES: Final = tuple(sorted(path.name for path in (ROOT / "services").iterdir() if path.is_dir()))
_GENERATED: Final = "pairmill_protos"


def _modules(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if _GENERATED not in path.parts)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def _all_modules() -> list[Path]:
    return [path for name in ("libs", "services", "deploy", "tests") for path in _modules(ROOT / name)]


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in _all_modules()}
    assert lengths
    assert {path: lines for path, lines in lengths.items() if lines > MOST_MODULE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = {
        f"{path}:{node.lineno} {node.name}": lines
        for path in _all_modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_FUNCTION_LINES
    }
    assert too_long == {}


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "standalone"])
def test_services_never_import_each_other(service: str) -> None:
    others = {f"pairmill_{name}" for name in SERVICES if name != service}
    for path in _modules(ROOT / "services" / service):
        assert not others & set(_imported(path)), path


def test_libs_import_no_service() -> None:
    services = {f"pairmill_{name}" for name in SERVICES}
    for path in _modules(ROOT / "libs"):
        assert not services & set(_imported(path)), path


def test_no_own_module_is_patched_in_tests() -> None:
    """Where patching seems needed, a port is missing."""
    patching = {
        path
        for path in _modules(ROOT / "tests")
        if path != Path(__file__)
        and any(word in path.read_text() for word in ("mock.patch", "monkeypatch.setattr"))
    }
    assert patching == set()
