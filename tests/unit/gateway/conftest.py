"""A small job that can be driven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.driven_job import Job, new_job


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    """A job that nothing has been done for yet."""
    with new_job(tmp_path) as made:
        yield made
