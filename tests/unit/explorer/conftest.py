"""One index for all that only reads it."""

from __future__ import annotations

import pytest

from tests.fakes.index_world import IndexWorld, make_index


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> IndexWorld:
    """An index of 8,000 rows, two segments per bucket."""
    return make_index(tmp_path_factory.mktemp("index"), 8_000, segments=2)
