"""Sockets that the Kafka client leaves to the collector of garbage where it could not connect."""

from __future__ import annotations

import gc

import pytest


def collect_sockets(caplog: pytest.LogCaptureFixture) -> None:
    """Has them collected now: errors hold them, and what was logged holds the errors."""
    caplog.get_records("setup").clear()
    caplog.get_records("call").clear()
    gc.collect()
