"""The permission to ask hosts, as long as this process owns the partitions that they belong to (U10)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

LOOK_SECONDS: Final = 0.1


def _always() -> bool:
    return True


class Permit:
    """Asked on the event loop before anything is sent. Granted unless `ask` says otherwise."""

    def __init__(self, ask: Callable[[], bool] = _always) -> None:
        self.ask = ask

    async def wait(self) -> None:
        """Returns once hosts may be asked; whoever waits may be cancelled meanwhile."""
        while not self.ask():
            await asyncio.sleep(LOOK_SECONDS)
