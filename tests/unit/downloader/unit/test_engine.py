"""The engine hands back what a crew came to, whenever that happens (U9)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import cast

import pytest

from pairmill_downloader.crew import Crew
from pairmill_downloader.engine import Engine
from tests.fakes.download import FakeWeb


@dataclass
class WaitingCrew:
    """Works until it is let go."""

    may_end: threading.Event = field(default_factory=threading.Event)

    async def work(self, targets: object) -> None:
        while not self.may_end.is_set():
            await asyncio.sleep(0.001)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine(FakeWeb().open)
    made.network()
    yield made
    made.close()


def test_work_that_ends_just_as_a_tick_is_due_has_not_timed_out(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks whether the work is done gets the answer of a moment later, when it is."""
    crew, is_done = WaitingCrew(), Future.done

    def done_a_moment_later(future: Future[bool]) -> bool:
        crew.may_end.set()
        future.exception(10)
        return is_done(future)

    monkeypatch.setattr(Future, "done", done_a_moment_later)
    ended = engine.run(cast(Crew, crew), [], cut_off=threading.Event(), tick=crew.may_end.set)
    assert ended is False
