"""A process that starts before what it works with: alive, not ready, and it goes on by itself."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Final, Protocol

import structlog
from prometheus_client import CollectorRegistry

from pairmill.bus.port import Bus
from pairmill.clock import Clock
from pairmill.errors import RetriableError
from pairmill.stage.breaker import Backoff
from pairmill.stage.workers import start_work
from pairmill.telemetry.checks import Check
from pairmill.telemetry.startup import StartupMetrics

log = structlog.get_logger(__name__)

_PAUSE_SECONDS: Final = 2.0
_STOP: Final = True
_ANSWERED: Final = False


class Pinged(Protocol):
    """A store, as far as the start asks it."""

    def ping(self) -> None:
        """Raises RetriableError while it is away."""
        ...


class Startup:
    """Asks for what a process cannot begin without, again and again until it is there.

    A pod that starts before its broker is no fault. What waiting cannot heal, a ConfigurationError, is
    raised at once. One thread waits; the checks and `request_stop` are for any thread.
    """

    def __init__(
        self,
        needs: Mapping[str, Callable[[], None]],
        clock: Clock,
        *,
        show: Callable[[str, bool], None] = lambda need, waiting: None,
        give_up_seconds: float | None = None,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        """Each need raises RetriableError while its part is away; `show` hears whether one is waited for."""
        self._needs = needs
        self._clock = clock
        self._show = show
        self._give_up_seconds = give_up_seconds
        self._pause_seconds = pause_seconds
        self._began = clock.monotonic()
        self._pokes: queue.SimpleQueue[bool] = queue.SimpleQueue()  # the one that a signal handler may use
        self._is_over = False
        self._reason = "starts"
        self.gave_up = ""

    def request_stop(self) -> None:
        """Ends the wait at once. Safe in a signal handler."""
        self._pokes.put(_STOP)

    def live(self, check: Check) -> Check:
        """Returns a check that asks another one as soon as the start is over."""
        return lambda: check() if self._is_over else None

    def ready(self, check: Check) -> Check:
        """Returns a check that says what the start waits for, and afterwards what another one says."""
        return lambda: check() if self._is_over else self._reason

    def wait(self) -> bool:
        """Returns whether all is there; if not, it was told to stop, or gave up for `gave_up`.

        Raises what no waiting heals.
        """
        for need, ask in self._needs.items():
            if not self._wait_for(need, ask):
                return False
        self._is_over = True
        return True

    def _wait_for(self, need: str, ask: Callable[[], None]) -> bool:
        next_line = Backoff(self._clock)
        while True:
            asked = start_work(ask, f"startup-{need}")
            if self._is_stopped_before(asked):
                return False
            error = asked.exception()
            if not isinstance(error, RetriableError):
                break
            self._note(need, error, next_line)
            if self.gave_up or self._is_stopped_within(self._pause_seconds):
                return False
        if error is not None:
            raise error
        if next_line.failures:
            self._show(need, False)
            log.info("startup_went_on", need=need, waited_seconds=round(self._waited(), 1))
        return True

    def _note(self, need: str, error: RetriableError, next_line: Backoff) -> None:
        self._reason = f"waits for the {need}: {error}"
        self._show(need, True)
        if next_line.ready():
            next_line.fail()
            log.warning("startup_waits", need=need, error=str(error), waited_seconds=round(self._waited(), 1))
        if self._give_up_seconds is not None and self._waited() >= self._give_up_seconds:
            self.gave_up = self._reason

    def _waited(self) -> float:
        return self._clock.monotonic() - self._began

    def _is_stopped_before(self, asked: Future[None]) -> bool:
        """Waits for an answer, which may take as long as a connection does; no stop waits for it."""
        asked.add_done_callback(lambda _: self._pokes.put(_ANSWERED))
        return self._pokes.get() is _STOP

    def _is_stopped_within(self, seconds: float) -> bool:
        try:
            return self._pokes.get(timeout=seconds)
        except queue.Empty:
            return False


def startup_of(
    bus: Bus,
    topics: Sequence[str],
    store: Pinged,
    clock: Clock,
    registry: CollectorRegistry,
    learn: Callable[[Bus], None] = lambda bus: None,
    *,
    give_up_seconds: float | None = None,
    pause_seconds: float = _PAUSE_SECONDS,
) -> Startup:
    """Returns what waits for the bus with its topics, and for the store; `learn` asks the bus for more."""

    def ask_bus() -> None:
        for topic in topics:
            bus.partitions(topic)
        learn(bus)

    needs = {"bus": ask_bus, "store": store.ping}
    show = StartupMetrics(registry, needs).show
    return Startup(needs, clock, show=show, give_up_seconds=give_up_seconds, pause_seconds=pause_seconds)
