"""What a machine may lack: a user is told how to get it, continuous integration has to have it."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(what: str, remedy: str) -> NoReturn:
    """Skips a test for want of something; fails it where `CI` is set, for nothing may go untested there."""
    text = f"{what}: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
