"""Fake desks served over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.explorer_served import Explored, exploring
from tests.fakes.rpc import TokenFile, callers


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    """A caller of each role."""
    return callers(tmp_path)


@pytest.fixture
def served(tokens: TokenFile) -> Iterator[Explored]:
    """An explorer that asks for tokens, for one test."""
    with exploring(tokens) as explored:
        yield explored


@pytest.fixture
def local() -> Iterator[Explored]:
    """An explorer of a laptop, for one test."""
    with exploring() as explored:
        yield explored


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explored]:
    """An explorer that asks for tokens, for tests that change nothing about it."""
    with exploring(callers(Path(tmp_path_factory.mktemp("explorer")))) as explored:
        yield explored


@pytest.fixture(scope="module")
def laptop() -> Iterator[Explored]:
    """An explorer of a laptop, for tests that change nothing about it."""
    with exploring() as explored:
        yield explored
