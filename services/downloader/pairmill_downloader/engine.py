"""One event loop for all units of a process, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, TypeVar

import uvloop

from pairmill.errors import RetriableError
from pairmill_downloader.crew import Crew
from pairmill_downloader.ports import Network
from pairmill_downloader.targets import Target

T = TypeVar("T")

TICK_SECONDS: Final = 0.1
_CLOSE_SECONDS: Final = 10.0


class Engine:
    """Runs crews on one event loop, over one network. Thread-safe; starts when first needed."""

    def __init__(self, open_network: Callable[[], AbstractAsyncContextManager[Network]]) -> None:
        """`open_network` is called and entered once, on the event loop."""
        self._open_network = open_network
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._network: Network | None = None
        self._opened = AsyncExitStack()

    def network(self) -> Network:
        """Returns the network, whose hosts all count as just contacted when it is new (U10)."""
        with self._lock:
            if self._network is None:
                self._network = self._submit(self._open()).result()
            return self._network

    def run(
        self,
        crew: Crew,
        targets: Sequence[Target],
        *,
        cut_off: threading.Event,
        tick: Callable[[], None],
    ) -> bool:
        """Lets a crew work to its end, or until it is cut off; returns whether it was.

        `tick` is called now and then. What the crew raises is raised here.
        """
        cut: Future[asyncio.Event] = Future()
        working = self._submit(_until_cut(crew, targets, cut))
        asked = False
        while not wait((working,), TICK_SECONDS).done:
            tick()
            if cut_off.is_set() and not asked:
                asked = True
                self._call(cut.result().set)
        return working.result()

    def treat_all_as_contacted(self) -> None:
        """Says that other processes may have asked any host a moment ago (U10)."""
        with self._lock:
            network = self._network
        if network is not None:  # to one that is still to be opened all hosts count so anyway
            self._call(network.gate.all_contacted_now)

    def close(self) -> None:
        """Closes connections and ends the loop; a second call does nothing."""
        with self._lock:
            loop, thread, network = self._loop, self._thread, self._network
            if network is not None:
                self._submit(self._opened.aclose()).result(_CLOSE_SECONDS)
            self._loop = self._thread = self._network = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLOSE_SECONDS)

    async def _open(self) -> Network:
        network = await self._opened.enter_async_context(self._open_network())
        network.gate.all_contacted_now()
        return network

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def _call(self, function: Callable[[], object]) -> None:
        self._running().call_soon_threadsafe(function)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = uvloop.new_event_loop()
            self._thread = threading.Thread(target=_run_loop, args=(self._loop,), name="network", daemon=True)
            self._thread.start()
        if self._loop.is_closed():
            raise RetriableError("the network's event loop has ended")
        return self._loop


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _until_cut(crew: Crew, targets: Sequence[Target], cut: Future[asyncio.Event]) -> bool:
    event = asyncio.Event()
    cut.set_result(event)
    work, waiting = asyncio.ensure_future(crew.work(targets)), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
            return False
        return True
    finally:
        for task in (work, waiting):
            task.cancel()
        await asyncio.wait((work, waiting))
