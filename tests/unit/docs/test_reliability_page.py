"""docs/reliability.md lists exactly the faults that tests carry, and names tests that carry them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import REPOSITORY

TESTS: Final = REPOSITORY / "tests"
PAGE: Final = REPOSITORY / "docs" / "reliability.md"

_ROW: Final = re.compile(r"^\| ([A-H]\d{1,2}) \| .*\| (\[.*\)) \|$", re.MULTILINE)
_LINK: Final = re.compile(r"\]\(\.\./([^)]+)\)")
_IN_NAME: Final = re.compile(r"(?<=_)[a-h]\d{1,2}(?=_)")
_IN_CASE: Final = re.compile(r"^[a-h]\d{1,2}(?:[-_][a-h]\d{1,2})*(?=[-_]|$)")


def faults_in(source: str) -> set[str]:
    """The ids in names of tests, in `id=` of cases, and in keys of tables of cases."""
    return set(_ids(ast.parse(source)))


def _ids(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield from (found.upper() for found in _IN_NAME.findall(node.name))
        elif isinstance(node, ast.keyword) and node.arg == "id":
            yield from _case(node.value)
        elif isinstance(node, ast.Dict):
            for key in node.keys:
                yield from _case(key)


def _case(node: ast.expr | None) -> Iterator[str]:
    """The ids that a case's name begins with; one alone is a word like any other."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search("[-_]", node.value):
        for found in _IN_CASE.findall(node.value):
            yield from re.split("[-_]", found.upper())


def _rows() -> dict[str, list[Path]]:
    rows = _ROW.findall(PAGE.read_text())
    assert len({fault for fault, _ in rows}) == len(rows)
    return {fault: [REPOSITORY / path for path in _LINK.findall(tests)] for fault, tests in rows}


ROWS: Final = _rows()


def test_the_page_lists_the_faults_that_tests_carry_and_no_others() -> None:
    carried = set().union(*(faults_in(path.read_text()) for path in TESTS.rglob("*.py")))
    assert set(ROWS) == carried


@pytest.mark.parametrize("fault", ROWS)
def test_every_test_that_a_row_names_carries_its_fault(fault: str) -> None:
    assert ROWS[fault]
    strangers = [path.name for path in ROWS[fault] if fault not in faults_in(path.read_text())]
    assert strangers == []


def test_faults_are_read_from_names_and_cases() -> None:
    source = (
        "def test_a1_b2_kept(): ...\n"
        "async def test_c3_kept(): ...\n"
        "def helper_d4_x(): ...\n"
        "CASES = {'e5_case': 1, 'other': 2, 'd1': 3}\n"
        "case(b'', id='f1-f3')\n"
        "case(b'', id='e12-empty')\n"
        "Published('b32_embeddings')\n"
    )
    assert faults_in(source) == {"A1", "B2", "C3", "E5", "E12", "F1", "F3"}
