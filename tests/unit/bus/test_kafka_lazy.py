"""Clients are made when they are needed, and closing waits for none that is being made."""

from __future__ import annotations

import threading

from pairmill.bus.kafka_lazy import Lazy
from pairmill.stage.workers import start_work


def test_a_value_is_made_once_and_again_after_it_was_given_up() -> None:
    made, disposed = list[str](), list[str]()

    def make() -> str:
        made.append(f"client-{len(made)}")
        return made[-1]

    lazy = Lazy(make, disposed.append)
    assert lazy.peek() is None
    assert [lazy.get(), lazy.get(), lazy.peek()] == ["client-0"] * 3
    lazy.discard("another")
    assert disposed == []
    lazy.discard(made[0])
    assert (lazy.get(), disposed) == ("client-1", ["client-0"])


def test_a3_closing_does_not_wait_for_a_connection_that_is_being_made() -> None:
    began, answered = threading.Event(), threading.Event()

    def make() -> str:
        began.set()
        assert answered.wait(20)
        return "client"

    lazy = Lazy(make, lambda _: None)
    making = start_work(lazy.get, "making")
    assert began.wait(20)
    lazy.discard()  # would wait for the answer, which comes only afterwards
    assert not making.done()
    answered.set()
    assert making.result(20) == "client"
