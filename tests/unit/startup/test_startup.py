"""A process waits at its start for what it needs: alive all the time, ready only then, stopped at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from pairmill.bus.topics import create_topics
from pairmill.errors import ConfigurationError, RetriableError
from pairmill.stage.workers import start_work
from pairmill.startup import Startup, startup_of
from tests.fakes.bus import MemoryBus
from tests.fakes.clock import ManualClock
from tests.fakes.processes import wait_until


class Part:
    """Something that a process needs; away until told otherwise."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = True
        self.answers = threading.Event()
        self.answers.set()

    def ask(self) -> None:
        self.asked += 1
        assert self.answers.wait(20)
        if self.away:
            raise RetriableError("nobody answers")


def begun(startup: Startup) -> Future[bool]:
    """The startup waits in a thread of its own."""
    return start_work(startup.wait, "begun")


def quick(needs: dict[str, Callable[[], None]], clock: ManualClock | None = None) -> Startup:
    return Startup(needs, clock or ManualClock(), pause_seconds=0.001)


def test_what_is_there_is_not_waited_for() -> None:
    part = Part()
    part.away = False
    startup = quick({"bus": part.ask})
    with capture_logs() as logs:
        assert startup.wait()
    assert (part.asked, logs) == (1, [])


def test_a12_it_goes_on_by_itself_once_the_part_is_there() -> None:
    bus, store = Part(), Part()
    startup = quick({"bus": bus.ask, "store": store.ask})
    ready, live = startup.ready(lambda: "not in its group yet"), startup.live(lambda: "has not turned")
    waiting = begun(startup)
    wait_until(lambda: bus.asked > 3)
    assert (ready(), live()) == ("waits for the bus: nobody answers", None)
    bus.away = False
    wait_until(lambda: store.asked > 3)
    assert (ready(), live()) == ("waits for the store: nobody answers", None)
    store.away = False
    assert waiting.result(20)
    assert (ready(), live()) == ("not in its group yet", "has not turned"), "from now on the loop answers"


def test_lines_in_the_log_come_with_growing_pauses() -> None:
    clock, part = ManualClock(), Part()

    def ask() -> None:
        clock.sleep(1.0)
        part.away = part.asked < 120
        part.ask()

    with capture_logs() as logs:
        assert quick({"bus": ask}, clock).wait()
    lines = [line for line in logs if line["event"] == "startup_waits"]
    assert lines[0]["error"] == "nobody answers"
    assert 5 <= len(lines) <= 15, "in two minutes: at once, after 1, 2, 4 … seconds, then twice a minute"
    assert logs[-1]["event"] == "startup_went_on"


def test_what_no_waiting_heals_is_raised_at_once() -> None:
    def refuse() -> None:
        raise ConfigurationError("kafka.sasl_password_file: the broker does not accept it")

    with pytest.raises(ConfigurationError, match="sasl_password_file"):
        quick({"bus": refuse}).wait()


def test_a3_a_stop_ends_the_pause_between_two_tries() -> None:
    part = Part()
    startup = Startup({"bus": part.ask}, ManualClock(), pause_seconds=600.0)
    waiting = begun(startup)
    wait_until(lambda: "waits" in str(startup.ready(lambda: None)()))
    startup.request_stop()
    assert waiting.result(20) is False


def test_a3_a_stop_does_not_wait_for_an_answer_that_does_not_come() -> None:
    part = Part()
    part.answers.clear()
    startup = quick({"bus": part.ask})
    waiting = begun(startup)
    wait_until(lambda: part.asked == 1)
    startup.request_stop()
    assert waiting.result(20) is False
    part.answers.set()


def test_an_embedded_run_gives_up_with_the_reason() -> None:
    clock, part = ManualClock(), Part()

    def ask() -> None:
        clock.sleep(10.0)
        part.ask()

    startup = Startup({"store": ask}, clock, give_up_seconds=30.0, pause_seconds=0.001)
    assert not startup.wait()
    assert startup.gave_up == "waits for the store: nobody answers"
    assert part.asked == 3


def test_bus_topics_and_store_are_asked_for_and_shown_as_a_measure() -> None:
    bus, registry, learnt = MemoryBus(), CollectorRegistry(), list[int]()
    bus.away = True
    create_topics(bus, 4)

    def shown(need: str) -> float | None:
        return registry.get_sample_value("pairmill_startup_waiting", {"need": need})

    class Store:
        def ping(self) -> None:
            assert learnt == [4], "the store is asked after the bus"

    startup = startup_of(
        bus,
        ("wat-tasks", "ledger"),
        Store(),
        ManualClock(),
        registry,
        lambda bus: learnt.append(bus.partitions("wat-tasks")),
        pause_seconds=0.001,
    )
    assert (shown("bus"), shown("store")) == (0.0, 0.0)
    waiting = begun(startup)
    wait_until(lambda: shown("bus") == 1.0)
    bus.away = False
    assert waiting.result(20)
    assert (shown("bus"), shown("store")) == (0.0, 0.0)
