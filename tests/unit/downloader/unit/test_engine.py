"""The engine hands back what a crew came to, whenever that happens (U9)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from pairmill_downloader.crew import Crew
from pairmill_downloader.engine import Engine
from tests.fakes.download import FakeWeb


@dataclass
class WaitingCrew:
    """Works until it is let go, then raises its error, if it has one."""

    error: Exception | None = None
    may_end: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    async def work(self, targets: object) -> None:
        while not self.may_end.is_set():
            await asyncio.sleep(0.001)
        self.ended.set()
        if self.error is not None:
            raise self.error


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine(FakeWeb().open)
    made.network()
    yield made
    made.close()


def test_work_that_ends_during_a_tick_is_taken(engine: Engine) -> None:
    crew = WaitingCrew()

    def tick() -> None:
        crew.may_end.set()
        assert crew.ended.wait(10)

    assert engine.run(cast(Crew, crew), [], cut_off=threading.Event(), tick=tick) is False


def test_a_timeout_that_the_work_raises_is_raised(engine: Engine) -> None:
    """It is not taken for the end of the wait for the work."""
    crew = WaitingCrew(error=TimeoutError("of the work"))
    crew.may_end.set()
    with pytest.raises(TimeoutError, match="of the work"):
        engine.run(cast(Crew, crew), [], cut_off=threading.Event(), tick=lambda: None)
