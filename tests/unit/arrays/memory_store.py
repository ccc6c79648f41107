"""The old place of the fakes in `tests.fakes.store` and `tests.fakes.context`."""

from __future__ import annotations

from tests.fakes.context import new_context
from tests.fakes.store import MemoryStore

__all__ = ["MemoryStore", "new_context"]
