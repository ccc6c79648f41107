"""From the event loop to the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from pairmill_explorer.rpc.work import Workers

Answer = TypeVar("Answer")


async def on_worker(workers: Workers, work: Callable[[], Answer]) -> Answer:
    """Has something done by a worker; cancelled, it does not begin."""
    return await asyncio.wrap_future(workers.submit(work))
